import pytest
from tests.test_pages import queries_of
from tests.pages import ACTS, REFUSALS, PAGES
pytestmark = pytest.mark.django_db
@pytest.mark.parametrize("name", ["sign_in","sign_out","end_a_session","change_the_password","reset_the_password"])
def test_show(name):
    print("\n==", name)
    for q in queries_of({**ACTS, **REFUSALS, **PAGES}[name]): print("  ", q[:170])
