"""Tables on terminals of different widths."""

from io import StringIO

import pytest
from rich.console import Console

from parjanya_dagster.cli.tables import table_of
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from parjanya_dagster.web.drawers import Drawers
from parjanya_dagster.web.views import view_of
from tests.builders import a_result, a_row

NAME = "DSC_4711_evening.jpg"


@pytest.mark.parametrize(("width", "shows_scores"), [(80, False), (120, True)])
def test_table_of_images_fits_the_terminal_with_names_on_one_line(width: int, *, shows_scores: bool) -> None:
    """Scores give way where there is no room; a name is never folded into a column of letters."""
    fakes = a_fake_platform()
    row = a_row(status=Status.ENRICHED, file_name=NAME)
    fakes.images.add(row)
    fakes.images.put_result(row.key, a_result())
    view = view_of(row, Drawers(fakes.images).of(row))
    told = StringIO()

    Console(file=told, width=width).print(table_of([view], width=width))

    lines = told.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert [NAME in line for line in lines] == [False, True]
    assert ("0.75" in told.getvalue()) is shows_scores
