"""What all tests share: which of them can run here, and saying so."""

import os

import pytest


def pytest_collection_modifyitems(items):
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if gpu:
        import torch

        if not torch.cuda.is_available():
            for item in gpu:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
    for item in items:
        if item.get_closest_marker("network") and not os.environ.get("LLMKIT_NETWORK"):
            reason = "set LLMKIT_NETWORK=1 to let tests use the network"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep what shares something in one worker: a notebook's kernel, one browser."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            return "browser" if "tests/browser/" in file else file

    return ByFile(config, log)


def pytest_terminal_summary(terminalreporter):
    from tests.browser.harness import why_no_browser

    reports = terminalreporter.stats.get("skipped", ())
    if any("tests/browser/" in report.nodeid for report in reports):
        if reason := why_no_browser():
            terminalreporter.line(f"The browser tests were skipped: {reason}")
