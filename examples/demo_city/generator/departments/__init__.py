"""How each department writes its share of the city down: its columns, its codes, its habits."""

from examples.demo_city.generator.departments import civil, exit_entry, market, police, social_security, utilities
from examples.demo_city.generator.tables import Table
from examples.demo_city.generator.world import City


def write_down(city: City) -> list[Table]:
    """All seven datasets of a city, clean."""
    return [
        police.residents(city),
        market.companies(city),
        market.food_licences(city),
        civil.marriages(city),
        social_security.insurance(city),
        exit_entry.travel_permits(city),
        utilities.utility_accounts(city),
    ]
