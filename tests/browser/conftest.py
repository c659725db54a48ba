"""One JupyterLab and one Chromium for the whole run; a fresh page for each test.

    def test_view(open_notebook):
        nb = open_notebook(["from llmkit... import ...", "view"])
        nb.run_all()
        nb.page.locator(".my-view button").click()
        assert nb.run_in_kernel("print(view.selection)").strip() == ...

`harness.Notebook` lists what can be said to a notebook.
"""

from pathlib import Path

import pytest

from tests.browser import harness

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    reason = harness.why_no_browser()
    for item in items:
        if HERE not in item.path.parents:
            continue
        item.add_marker(pytest.mark.browser)
        # a browser on a busy machine now and then loses a race that is not the kit's;
        # the second try is counted in the last line ("1 rerun"), never hidden
        item.add_marker(pytest.mark.flaky(reruns=1))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def lab():
    """A running JupyterLab; `lab.root` is the folder that it serves."""
    with harness.jupyter_lab() as server:
        yield server


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=harness.find_chromium(), args=harness.CHROMIUM_ARGS
        )
        yield chromium
        chromium.close()


@pytest.fixture
def guard():
    """What the page did that it should not; checked when the test ends."""
    return harness.Guard()


@pytest.fixture
def page(browser, guard):
    """A fresh page; a request that leaves this machine or a script error fails it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    guard.watch(page)
    yield page
    context.close()
    assert not guard.blocked, f"requests left this machine: {guard.blocked}"
    assert not guard.errors, f"errors in scripts: {guard.errors}"


@pytest.fixture
def open_notebook(lab, page):
    """A function that opens a path, a name, or a list of cells as a `Notebook`."""

    def open_one(source) -> harness.Notebook:
        return harness.Notebook(page, lab, harness.place_notebook(lab, source))

    yield open_one
    lab.end_kernels()
