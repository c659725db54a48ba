"""Move every control of a running notebook as a browser would.

`Watch` reads all that a kernel publishes and keeps the widgets' states and every
error: of a cell, of a callback, of a thread. `sweep` then sends each control to its
least, middle and greatest value, to each option, and back, through the same messages
that a front end sends, so that callbacks run as they do for a reader.
"""

import queue
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

TRACEBACK = "Traceback (most recent call last)"
UNICODE = "abc é 🙂"
CLICK = {"event": "click"}
VIEW = "application/vnd.jupyter.widget-view+json"
# traits by which a widget says that the reader chooses by position
INDEXED = {
    "DropdownModel",
    "RadioButtonsModel",
    "SelectModel",
    "SelectionSliderModel",
    "ToggleButtonsModel",
}
SLIDERS = {
    "BoundedFloatTextModel",
    "BoundedIntTextModel",
    "FloatSliderModel",
    "IntSliderModel",
    "PlayModel",
}
RANGES = {"FloatRangeSliderModel", "IntRangeSliderModel"}
SWITCHES = {"CheckboxModel", "ToggleButtonModel"}
WORDS = {"ComboboxModel", "PasswordModel", "TextModel", "TextareaModel"}
FOLDERS = {"AccordionModel", "StackModel", "TabModel"}
# what only shows something, or holds others
PASSIVE = {
    "AudioModel",
    "BoxModel",
    "ControllerModel",
    "FloatProgressModel",
    "GridBoxModel",
    "HBoxModel",
    "HTMLMathModel",
    "HTMLModel",
    "ImageModel",
    "IntProgressModel",
    "LabelModel",
    "LinkModel",
    "DirectionalLinkModel",
    "OutputModel",
    "VBoxModel",
    "ValidModel",
    "VideoModel",
}


def moves(state: dict) -> list[dict]:
    """Return the messages that bring a control through its values and back.

    Args:
        state: the model's state; `_model_name` tells its kind.

    Returns:
        The `data` of one message each; none for what cannot be moved.

    Raises:
        LookupError: nobody has said how this kind is moved.
    """
    kind = state.get("_model_name", "")
    if kind in PASSIVE or kind.endswith(("StyleModel", "LayoutModel")):
        return []
    if kind == "ButtonModel":
        return [custom(CLICK)]
    if kind == "AnyModel":
        return _declared(state)
    if kind == "FileUploadModel":
        return []  # a file cannot be chosen without a reader
    trait, values = _values(kind, state)
    sent = [update({trait: value}) for value in [*values, state.get(trait)]]
    if kind == "TextModel":
        sent.append(custom({"event": "submit"}))
    return sent


def update(state: dict) -> dict:
    """Return the message by which a front end changes traits."""
    return {"method": "update", "state": state, "buffer_paths": []}


def custom(content: dict) -> dict:
    """Return a message of a widget's own."""
    return {"method": "custom", "content": content}


def _values(kind: str, s: dict) -> tuple[str, list]:
    """Return the trait that a reader changes, and the values to try."""
    if kind in INDEXED:
        return "index", list(range(len(s["_options_labels"])))
    if kind in SLIDERS or kind == "FloatLogSliderModel":
        low, high = s["min"], s["max"]
        whole = isinstance(low, int) and isinstance(high, int)
        middle = (low + high) // 2 if whole else (low + high) / 2
        if kind == "FloatLogSliderModel":
            return "value", [s["base"] ** v for v in (low, middle, high)]
        return "value", [low, middle, high]
    if kind in RANGES:
        low, high = s["min"], s["max"]
        return "value", [[low, low], [low, high], [high, high]]
    if kind in SWITCHES:
        return "value", [not s["value"]]
    if kind in WORDS:
        return "value", ["", UNICODE, *s.get("options", ())]
    if kind in {"IntTextModel", "FloatTextModel"}:
        return "value", [0, 1, -1]
    if kind == "SelectionRangeSliderModel":
        last = len(s["_options_labels"]) - 1
        return "index", [[0, 0], [0, last], [last, last]]
    if kind == "SelectMultipleModel":
        every = list(range(len(s["_options_labels"])))
        return "index", [[], *[[i] for i in every], every]
    if kind in FOLDERS:
        places = len(s.get("children", s.get("titles", ())))
        return "selected_index", list(range(places))
    if kind == "ColorPickerModel":
        return "value", ["#000000", "#ffffff"]
    if kind == "DatePickerModel":
        return "value", [None, {"year": 2024, "month": 1, "date": 29}]
    if kind in {"TagsInputModel", "ColorsInputModel"}:
        return "value", [[], list(s.get("allowed_tags") or ())]
    if kind in {"IntsInputModel", "FloatsInputModel"}:
        return "value", [[], [1]]
    if kind == "TimePickerModel":
        night = {"hours": 23, "minutes": 59, "seconds": 59, "milliseconds": 0}
        return "value", [None, night]
    if kind in {"DatetimeModel", "NaiveDatetimeModel"}:
        return "value", [None]
    raise LookupError(f"the sweep does not know how {kind or 'this widget'} is moved")


def _declared(state: dict) -> list[dict]:
    """Return the moves that a view of ours names in its `sweep`."""
    plan = state.get("_sweep")
    if not plan:
        raise LookupError(
            "this view names nothing to move: give its class "
            'sweep = {"trait": [values]}, or {"@messages": [contents]}'
        )
    sent = []
    for trait, values in plan.items():
        if trait == "@messages":
            sent += [custom(content) for content in values]
        else:
            back = [state[trait]] if trait in state else []
            sent += [update({trait: value}) for value in [*values, *back]]
    return sent


@dataclass
class Watch:
    """What a kernel has published so far."""

    models: dict[str, dict] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    _said: str = ""  # what stands on standard error and is not yet dealt with

    def see(self, message: dict, where: str = "") -> None:
        """Take one message of the iopub channel into account.

        Args:
            message: as jupyter_client returns it.
            where: what was being done, for the report.
        """
        kind, content = message["msg_type"], message["content"]
        if kind.startswith("comm"):
            self._comm(kind, content)
        elif kind == "error":
            self.errors.append(f"{where}: {content['ename']}: {content['evalue']}")
        elif VIEW in content.get("data", ()):
            self.shown.add(content["data"][VIEW]["model_id"])
        elif kind == "stream" and content["name"] == "stderr":
            self._said += content["text"]
            self._tracebacks(where)

    def _tracebacks(self, where: str) -> None:
        """Report tracebacks on standard error, which may come in pieces."""
        while (start := self._said.find(TRACEBACK)) >= 0:
            # its frames are indented; the first line that is not names the error
            last = re.search(r"\n(?=\S)(.*)\n", self._said[start:])
            if last is None:
                return
            self.errors.append(f"{where}: on standard error: {last[1]}")
            self._said = self._said[start + last.end() :]
        self._said = self._said[-len(TRACEBACK) :]

    def finish(self, where: str) -> None:
        """Report a traceback whose end never came."""
        if TRACEBACK in self._said:
            self.errors.append(f"{where}: on standard error: {self._said[-200:]}")
            self._said = ""

    def _comm(self, kind: str, content: dict) -> None:
        if kind == "comm_open" and content["target_name"] == "jupyter.widget":
            self.models[content["comm_id"]] = dict(content["data"]["state"])
        elif kind == "comm_msg":
            method = content["data"].get("method")
            if (
                method in ("update", "echo_update")
                and content["comm_id"] in self.models
            ):
                self.models[content["comm_id"]].update(content["data"]["state"])
        elif kind == "comm_close":
            self.models.pop(content["comm_id"], None)


class Hand:
    """Moves the controls of one kernel and waits for what each move causes.

    Args:
        client: a connected `jupyter_client` client.
        watch: what has been seen of this kernel.
        timeout: seconds that one move may take.
    """

    def __init__(self, client, watch: Watch, timeout: float = 60):
        self.client, self.watch, self.timeout = client, watch, timeout

    def wait(self, message_id: str, where: str, see: Callable | None = None) -> None:
        """Read what the kernel publishes until it is done with one request."""
        end = time.monotonic() + self.timeout
        while True:
            try:
                left = max(0.01, end - time.monotonic())
                message = self.client.get_iopub_msg(timeout=left)
            except queue.Empty:
                raise TimeoutError(
                    f"{where}: no end after {self.timeout:.0f} s"
                ) from None
            self.watch.see(message, where)
            if see is not None:
                see(message)
            mine = message["parent_header"].get("msg_id") == message_id
            if mine and message["msg_type"] == "status":
                if message["content"]["execution_state"] == "idle":
                    return

    def execute(self, code: str, where: str) -> str:
        """Run code out of sight of the notebook and return what it printed."""
        said: list[str] = []
        request = self.client.execute(code, store_history=False, stop_on_error=False)

        def see(message: dict) -> None:
            mine = message["parent_header"].get("msg_id") == request
            if mine and message["msg_type"] == "stream":
                if message["content"]["name"] == "stdout":
                    said.append(message["content"]["text"])

        self.wait(request, where, see)
        return "".join(said)

    def send(self, comm_id: str, data: dict, where: str) -> None:
        """Send one widget message and wait until the kernel has dealt with it."""
        message = self.client.session.msg(
            "comm_msg", {"comm_id": comm_id, "data": data}
        )
        self.client.shell_channel.send(message)
        self.wait(message["header"]["msg_id"], where)

    def sweep(self, most: int = 2000) -> int:
        """Move every control that there is, and those that appear meanwhile.

        Args:
            most: moves after which to give up.

        Returns:
            How many moves were made. What went wrong is in `watch.errors`.
        """
        done: set[str] = set()
        classes: set[str | None] = set()
        count = 0
        while new := [c for c in self.watch.models if c not in done]:
            for comm_id in new:
                done.add(comm_id)
                state = self.watch.models.get(comm_id)
                if state is None or state.get("disabled"):
                    continue
                view = state.get("_anywidget_id")
                if view and view in classes and comm_id not in self.watch.shown:
                    continue  # made for its numbers only: one of a kind is enough
                classes.add(view)
                label = _label(state)
                try:
                    planned = moves(dict(state))
                except LookupError as error:
                    self.watch.errors.append(f"{label}: {error.args[0]}")
                    continue
                for data in planned:
                    if comm_id not in self.watch.models:
                        break
                    what = data.get("state", data.get("content"))
                    self.send(comm_id, data, f"{label} {str(what)[:80]}")
                    count += 1
                    if count >= most:
                        self.watch.errors.append(f"more than {most} moves")
                        return count
        return count

    def settle(self, limit: float = 60) -> None:
        """Wait for the threads that the notebook started, and for what they say."""
        where = "a thread or task after the last cell"
        self.execute(SETTLE.format(limit=limit), where)
        self.watch.finish(where)


# Threads that were there before the first cell belong to the kernel.
BEFORE = """
import threading as _t
_t._before_the_notebook = set(_t.enumerate())
del _t
"""
SETTLE = """
def _settle():
    import gc, sys, threading, time
    end = time.monotonic() + {limit}
    before = getattr(threading, "_before_the_notebook", set())
    mine = {{threading.current_thread(), *before}}
    for thread in threading.enumerate():
        own = thread not in mine and not thread.name.startswith(("Parent", "IPy", "_"))
        if own and getattr(thread, "_target", None) is not None:
            while thread.is_alive() and time.monotonic() < end:
                thread.join(0.1)
    gc.collect()
    time.sleep(0.05)
    sys.stderr.flush()
_settle()
del _settle
"""


def _label(state: dict) -> str:
    name = state.get("_model_name", "?").removesuffix("Model")
    if name == "Any":
        name = state.get("_anywidget_id", "view").rsplit(".", 1)[-1]
    words = state.get("description") or state.get("placeholder") or ""
    return f"{name} {words!r}" if words else name
