"""What happens in the city from one day to the next, department by department.

Day N happens on `Plan.eve + N - 1`: births, moves, departures, foundings, renewals, weddings, payments, new accounts. Among
them some work for the hub: corrections of planted errors, rows that turn bad, rows that come late, deletions no cursor shows.
"""

from datetime import datetime, timedelta

from examples.demo_city.generator import damage
from examples.demo_city.generator.day import Day
from examples.demo_city.generator.departments import civil, exit_entry, market, police, social_security, utilities
from examples.demo_city.generator.faults import share
from examples.demo_city.generator.firms import Firm, found
from examples.demo_city.generator.people import Wedding, surname
from examples.demo_city.generator.tables import Row, Table
from examples.demo_city.generator.world import City

LATE_DAYS = 45
"""How old the stamp of a late company is: far behind every watermark, so that only a full refresh finds it."""
OVERLAP_HOURS = 6
"""How far behind the newest stamp a late insurance account is: within the overlap that its contract declares."""


def live(city: City, tables: dict[str, Table], number: int) -> Day:
    """Advances the tables by day `number` (from 1) and tells what happened."""
    day = Day(number, city.plan.eve + timedelta(days=number - 1), city.plan.dice("day", number))
    _residents(day, city, tables)
    firms = _companies(day, city, tables)
    _food_licences(day, tables["food_licences"], firms)
    _marriages(day, city, tables["marriages"])
    _insurance(day, city, tables["insurance"])
    _travel_permits(day, city, tables["travel_permits"])
    _utility_accounts(day, city, tables["utility_accounts"])
    return day


def _residents(day: Day, city: City, tables: dict[str, Table]) -> None:
    table = tables["residents"]
    couples = [
        w for w in city.weddings if not w.divorce and 20 < (day.date - w.wife.born).days / 365 < 45
    ] or city.weddings
    for couple in day.dice.choices(couples, k=max(2, share(2, len(table.rows)))):
        born = city.registry.person(
            day.dice.random() < 0.5, day.date, couple.husband.address, "310112", surname(couple.husband)
        )
        city.people.append(born)
        row = police.record(born, day.stamp(), day.dice)
        row.values[table.at("更新时间")] = _clock(day)
        day.add(table, row)
    for row in day.take(table, 20):
        mobile = f"199{day.dice.randrange(10**8):08d}"
        day.edit(table, row, {"现住址": city.registry.address()[0], "联系电话": mobile, "更新时间": _clock(day)})
    in_conflict = {
        r.note.detail["subject"] for t in tables.values() for r in t.rows if r.note and r.note.expected == "conflict"
    }
    day.remove(table, day.take(table, 3, lambda row: row.values[0] not in in_conflict))
    for kind in ("bad_id_checksum", "unknown_code"):
        for row in _planted(table, kind)[:1]:
            day.correct(table, row, {"更新时间": _clock(day)})
    for row in day.take(table, 1, lambda row: bool(row.values[7]) and row.values[0] not in in_conflict):
        note = day.note("turned_bad", ("mobile.format",), "联系电话")
        day.spoil(table, row, {"联系电话": row.values[7][:8], "更新时间": _clock(day)}, note)


def _companies(day: Day, city: City, tables: dict[str, Table]) -> list[Firm]:
    """The day's companies; gives the firms that were founded, and sets the licences free whose company is corrected."""
    table, licences = tables["companies"], tables["food_licences"]
    licensed = {row.values[1] for row in licences.rows}
    addresses = [city.registry.address()[0] for _ in range(10)]
    number = max(3, share(10, len(table.rows)))
    firms = found(day.dice, city.people, addresses, day.date, number, len(city.firms))
    city.firms += firms
    for firm in firms[:-1]:
        firm.founded = day.date
        day.add(table, market.company(firm, day.dice, day.stamp()))
    for row in day.take(table, 30):
        day.edit(table, row, {"dom": city.registry.address()[0], "updated_at": _clock(day)})
    refused = _planted(table, "unknown_code")
    waiting = _planted(licences, "company_in_quarantine")
    held = {licence.values[1] for licence in waiting}
    for row in [r for r in refused if r.values[0] in held] + [r for r in refused if r.values[0] not in held][:1]:
        day.correct(table, row, {"updated_at": _clock(day)})
    for licence in waiting:
        day.correct(licences, licence)
    _unseen(day, table, firms[-1], licensed)
    return firms[:-1]


def _unseen(day: Day, table: Table, firm: Firm, licensed: set[str]) -> None:
    """A company entered with an old stamp, and one deleted: nothing that a cursor shows."""
    stamp = datetime.combine(day.date, datetime.min.time()) - timedelta(days=LATE_DAYS)
    late = market.company(firm, day.dice, stamp)
    late.note = day.note("late_row", (), "updated_at", "late")
    table.rows.append(late)
    gone = day.take(table, 1, lambda row: row.values[0] not in licensed)[:1]
    table.rows.remove(gone[0])
    day.change(table).unseen += [late.values[0], gone[0].values[0]]


def _food_licences(day: Day, table: Table, firms: list[Firm]) -> None:
    month = (day.date + timedelta(days=30)).isoformat()
    until = (day.date + timedelta(days=market.TERM)).isoformat()
    ending = day.take(table, 150, lambda row: day.date.isoformat() <= row.values[table.at("valid_to")] <= month)
    for row in ending:
        day.edit(table, row, {"valid_from": day.date.isoformat(), "valid_to": until, "status": "有效"})
    day.remove(table, day.take(table, 5)[:1])
    for i, firm in enumerate(f for f in firms if f.sells_food):
        number = 9_000_000 + day.number * 1000 + i
        day.add(table, market.licence(firm, number, day.date, day.dice, day.date))


def _marriages(day: Day, city: City, table: Table) -> None:
    file = civil.drop(day.date)
    wed = {id(p) for w in city.weddings for p in (w.husband, w.wife)}
    free = [p for p in city.people if id(p) not in wed and 22 < (day.date - p.born).days / 365.25 < 50]
    men, women = [p for p in free if p.man], [p for p in free if not p.man]
    number = min(max(3, share(3, len(city.people))), len(men), len(women))
    new = [
        Wedding(m, w, day.date)
        for m, w in zip(day.dice.sample(men, number), day.dice.sample(women, number), strict=True)
    ]
    couples = [w for w in city.weddings if not w.divorce]
    new += [Wedding(w.husband, w.wife, day.date, divorce=True) for w in day.dice.sample(couples, 2)]
    for i, wedding in enumerate(new):
        day.add(table, civil.certificate(wedding, 900_000 + day.number * 1000 + i, "结婚登记"))
        table.rows[-1].file = file
    city.weddings += new
    again = day.take(table, 2, lambda row: row.file != file)
    for row in again:
        corrected = Row(list(row.values), file=file)
        corrected.values[table.at("女方姓名")] = damage.other_name(row.values[4], day.dice)
        row.note = day.note("corrected_in_later_drop", (), "女方姓名", "superseded")
        table.twinned.add(row.values[0])
        table.rows.append(corrected)
        day.change(table).changed.append(row.values[0])
    wrong = Row(list(table.rows[-len(again) - 1].values), file=file)
    wrong.values[0] = f"J310100-{day.date.year}-{999_000 + day.number:06d}"
    wrong.values[1] = damage.checksum_of_citizen(wrong.values[1], day.dice)
    wrong.note = day.note("bad_id_checksum", ("husband_id.checksum",), "男方证件号")
    table.rows.append(wrong)


def _insurance(day: Day, city: City, table: Table) -> None:
    newest = datetime.fromisoformat(max(row.values[8] for row in table.rows)).replace(tzinfo=None)
    paid = day.date.replace(day=28).isoformat()
    for row in day.take(table, 100):
        day.edit(table, row, {"paidUntil": paid, "updatedAt": social_security.stamp(day.stamp())})
    workers = [p for p in city.people if 20 < (day.date - p.born).days / 365.25 < 50]
    for i, person in enumerate(day.dice.sample(workers, max(2, share(5, len(table.rows))))):
        firm = day.dice.choice(city.firms)
        number = 900_000_000 + day.number * 1000 + i
        day.add(table, social_security.account(person, firm, "injury", number, day.dice, day.stamp()))
    for row in _planted(table, "bad_id_checksum")[:1]:
        day.correct(table, row, {"updatedAt": social_security.stamp(day.stamp())})
    late = social_security.stamp(newest - timedelta(hours=OVERLAP_HOURS))
    for row in day.take(table, 1, lambda row: row.values[8] < late):
        day.edit(table, row, {"status": "暂停缴费", "paidUntil": paid, "updatedAt": late})
        row.note = day.note("late_within_overlap", (), "updatedAt", "late")


def _travel_permits(day: Day, city: City, table: Table) -> None:
    holders = {p.id: p for p in city.people}
    month = (day.date + timedelta(days=30)).isoformat()
    until = table.at("有效期至")
    ending = day.take(table, 60, lambda row: day.date.isoformat() <= row.values[until] <= month)
    for i, row in enumerate(ending):
        day.edit(table, row, {"证件状态": "注销"})
        number = 9_000_000 + day.number * 10_000 + i
        day.add(table, exit_entry.permit(holders[row.values[1]], number, day.date, day.dice, day.date))
    day.remove(table, day.take(table, 5))
    for row in _planted(table, "unknown_code")[:1]:
        day.correct(table, row)


def _utility_accounts(day: Day, city: City, table: Table) -> None:
    for row in day.take(table, 100):
        balance = f"{float(row.values[7]) - 50:.2f}"
        day.edit(table, row, {"balance": balance})
    for i, person in enumerate(day.dice.sample(city.people, max(2, share(2, len(table.rows))))):
        number = 90_000_000 + day.number * 1000 + i
        row = utilities.account("person", person.id, person.name, person.address, "gas", number, day.date, day.dice)
        row.values[table.at("openedOn")] = day.date.isoformat()
        day.add(table, row)
    day.remove(table, day.take(table, 3))
    for row in _planted(table, "missing_required")[:1]:
        day.correct(table, row)


def _planted(table: Table, kind: str) -> list[Row]:
    return [row for row in table.rows if row.note and row.note.kind == kind]


def _clock(day: Day) -> str:
    return day.stamp().strftime("%Y-%m-%d %H:%M:%S")
