"""How long a worker takes over a request for a link: `python -m benchmarks.resend 30` prints the median of 30, in ms.

In a process of its own, for it works on the database that DATABASE_URL names.
"""

import sys
from statistics import median

import django

django.setup()

from accounts.models import Account  # noqa: E402 - Django first
from activation.enums import LinkRequestKind  # noqa: E402
from activation.first_connection.services import answer_link_request  # noqa: E402
from activation.services import request_link  # noqa: E402
from benchmarks.timing import seconds  # noqa: E402

#: The first ones read and prepare what a process does once.
NOT_COUNTED = 5


def time_of(login: str) -> float:
    request = request_link(login=login, wish=LinkRequestKind.FIRST_CONNECTION)
    return seconds(lambda: answer_link_request(request_id=request.pk)) * 1000


def main(number: int) -> None:
    waiting = Account.objects.filter(hr_id__startswith="bench-", activated_at=None).order_by("pk")
    times = [time_of(login) for login in waiting.values_list("institutional_address", flat=True)[:number]]
    print(median(times[NOT_COUNTED:]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
