"""Options and results of the conformance suite.

python -m pytest tests/conformance                                    ours, against what is committed
python -m pytest tests/conformance --write-results                    ours, and write what was found
python -m pytest tests/conformance --engine NAME --engine-model FILE  an engine of yours; its table is printed
"""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("conformance.cases", "conformance.client", "conformance.results", "conformance.subjects")

from conformance.cases import CASES  # noqa: E402 - after the rewriting was asked for
from conformance.results import Results  # noqa: E402
from conformance.stand import Loop, Stand  # noqa: E402
from conformance.subjects import MARKS, SUBJECTS, Subject, of_a_user  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--engine", help="examine this engine, found by its entry point, instead of ours")
    group.addoption("--engine-model", default="", help="the model's file, folder or name for --engine")
    group.addoption(
        "--engine-cannot", action="append", default=[], metavar="CASE=REASON", help="what it refuses, and why"
    )
    group.addoption("--write-results", action="store_true", help="write results.json instead of comparing with it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" in metafunc.fixturenames:
        own = metafunc.config.getoption("engine", default=None)
        names = [own] if own else [pytest.param(name, marks=MARKS.get(name, ())) for name in SUBJECTS]
        metafunc.parametrize("subject", names, indirect=True, scope="module")


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest) -> Iterator[Results]:
    is_ours = not request.config.getoption("engine", default=None)
    kept = Results(is_kept=request.config.getoption("write_results", default=False), is_ours=is_ours)
    yield kept
    if kept.is_kept and is_ours:
        kept.write()
    request.config.stash[FOUND] = kept.found


FOUND = pytest.StashKey[dict[str, dict[str, Any]]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("engine", default=None):
        return
    for name, told in config.stash.get(FOUND, {}).items():
        terminalreporter.section(f"conformance of {name} {told['version'] or ''}")
        for case in CASES:
            terminalreporter.line(f"{case.name:<12} {told['results'].get(case.name, 'failed, or not run')}")


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest) -> Subject:
    name = request.param
    if not request.config.getoption("engine", default=None):
        return SUBJECTS[name]()
    cannot = dict(one.split("=", 1) for one in request.config.getoption("engine_cannot"))
    return of_a_user(name, request.config.getoption("engine_model"), cannot)


@pytest.fixture(scope="module")
def stand(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The subject with one engine open for most cases."""
    folder = tmp_path_factory.mktemp("stand")
    (folder / "tmp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder / "tmp"))  # what an engine leaves there is seen
        found = Stand(subject, Loop(), folder / "logs")
        yield found
        found.close()
