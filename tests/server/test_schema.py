"""Requests that schemathesis makes up from the API's own schema: the server never fails."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
schemathesis = pytest.importorskip("schemathesis", reason="needs the extra dev")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from tests.server.conftest import FakeWorker  # noqa: E402

from sfumato.server import desk as desks  # noqa: E402
from sfumato.server.app import House, create  # noqa: E402
from sfumato.server.desk import LocalDesk, Rules  # noqa: E402
from sfumato.server.metrics import Metrics  # noqa: E402
from sfumato.server.worker import Limits  # noqa: E402


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desks, "Worker", FakeWorker)
        patch.setattr(FakeWorker, "act", None)
        desk = LocalDesk(tmp_path_factory.mktemp("desk"), Rules(), Limits())
        app = create(desk, House(hosts=("*",)), Metrics())
        yield schemathesis.openapi.from_asgi("/v1/openapi.json", app)
        desk.close(patience=0)


@pytest.mark.slow
def test_no_request_makes_the_server_fail(schema):
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 12
    for operation in operations:
        ask(operation)


def ask(operation) -> None:
    @settings(
        max_examples=25, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(operation.as_strategy())
    def check(case) -> None:
        answer = case.call()
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.json()["detail"]

    check()
