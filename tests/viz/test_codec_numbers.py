"""Numbers come back from a page within half a step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.viz.codec import pack_numbers, unpack_numbers

finite = st.floats(-2e5, 2e5, allow_nan=False)


@given(st.lists(finite | st.just(-np.inf), max_size=40))
def test_round_trip(numbers):
    back = unpack_numbers(pack_numbers(np.array(numbers)))
    hidden = np.isneginf(numbers)
    assert (np.isneginf(back) == hidden).all()
    assert np.all(np.abs(back[~hidden] - np.array(numbers)[~hidden]) <= 0.5001e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9])
def test_what_has_no_code_is_refused(bad):
    with pytest.raises(ValueError, match="must be finite"):
        pack_numbers(np.array([1.0, bad]))
