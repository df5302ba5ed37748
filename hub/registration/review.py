"""Publishing in the catalog: a department proposes a contract, the data office approves it or returns it with a reason.

With `HUB_REVIEW=office` (the default) whoever applies contracts on this hub's command line speaks for the data office, and what he applies
is approved at once. With `HUB_REVIEW=pair` nobody approves what he submitted himself.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from hub.core import Hub
from hub.registration import registry, staging
from hub.registration.registry import Applied
from lake.durable import make_folder
from ledger import registrations, reviews
from ledger.reviews import Proposal
from schemas.errors import Forbidden, Invalid


def submit_text(hub: Hub, text: str, *, by: str) -> Proposal:
    """Propose a contract that is no file yet. Raises as `submit`."""
    with TemporaryDirectory(prefix="proposal-") as folder:
        path = Path(folder) / "proposal.odcs.yaml"
        path.write_text(text, encoding="utf-8")
        return submit(hub, path, by=by)


def submit(hub: Hub, path: Path, *, by: str, draft: bool = False) -> Proposal:
    """Propose the contract in a file, checked like one that is applied; a `draft` is kept and not yet submitted.

    Raises:
        ContractInvalid: with every problem of the file.
    """
    (contract,) = registry.check(hub, (path,))
    text = path.read_text(encoding="utf-8")
    saved = reviews.save(hub.ledger, contract.dataset, contract.version, text, by=by, at=hub.clock())
    return saved if draft else resubmit(hub, contract.dataset, by=by)


def resubmit(hub: Hub, dataset: str, *, by: str) -> Proposal:
    """Submit a kept draft. Raises NotFound or Conflict."""
    return reviews.move(hub.ledger, dataset, "submitted", by=by, at=hub.clock())


def approve(hub: Hub, dataset: str, *, by: str, because: str | None = None) -> Applied:
    """Apply what was proposed: from now on it is the contract in force, and the catalog shows it.

    Raises:
        Forbidden: two persons are wanted, and it was submitted by the same.
        NotFound, Conflict: nothing of the dataset is in review.
        ContractInvalid, Stop: it cannot be applied as things are now; it stays in review.
    """
    proposal = reviews.find(hub.ledger, dataset)
    if hub.settings.review == "pair" and proposal.submitted_by == by:
        raise Forbidden(f"{dataset} was submitted by {by}: another person approves it", todo="ask a colleague")
    if proposal.state == "in review":
        _deliver_first(hub, dataset)
        (applied,) = registry.apply(hub, (_filed(hub, proposal),), because=because)
    reviews.move(hub.ledger, dataset, "approved", by=by, at=hub.clock(), reason=because or "")
    return applied


def send_back(hub: Hub, dataset: str, *, by: str, because: str) -> Proposal:
    """Return a proposal to its department. Raises Invalid without a reason, NotFound, Conflict."""
    if not because.strip():
        raise Invalid("a proposal is returned with a reason", todo="--because 'what is to be changed'", field="because")
    return reviews.move(hub.ledger, dataset, "returned", by=by, at=hub.clock(), reason=because)


def apply_at_once(hub: Hub, paths: tuple[Path, ...], *, by: str, because: str | None = None) -> tuple[Applied, ...]:
    """Apply contract files on the data office's own word. Raises Forbidden where two persons are wanted."""
    if hub.settings.review == "pair":
        raise Forbidden("contracts are reviewed here before they are applied", todo="hub catalog submit FILE")
    done = registry.apply(hub, paths, because=because)
    for one in done:
        if one.changed:
            reviews.record(
                hub.ledger, one.contract.dataset, one.contract.version, by=by, at=hub.clock(), reason=because or ""
            )
    return done


def _deliver_first(hub: Hub, dataset: str) -> None:
    """Put a file that was uploaded for the registration where its deliveries lie, before anything pulls them. Doing so again changes nothing."""
    for one in registrations.of_dataset(hub.ledger, dataset):
        if one.submitted and "file" in one.facts:
            staging.deliver(hub, one.id, staging.Kept(**one.facts["file"]), one.department, dataset)


def _filed(hub: Hub, proposal: Proposal) -> Path:
    """The proposal's text as the file that applying takes."""
    folder = hub.settings.work / "review"
    make_folder(folder)
    path = folder / f"{proposal.dataset}.odcs.yaml"
    path.write_text(proposal.file, encoding="utf-8")
    return path
