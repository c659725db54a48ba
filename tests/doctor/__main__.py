"""Print the whole matrix: `python -m tests.doctor [first]`."""

import sys
import time

from tests.doctor.faults import FAULTS
from tests.doctor.healthy import HEALTHY, SETTINGS


def main() -> int:
    wanted = sys.argv[1:]
    total_right = total = alarms = runs = 0
    for name, setting in SETTINGS.items():
        if wanted and not any(w in name for w in wanted):
            continue
        begin = time.process_time()
        right = 0
        print(f"== {name}: planted faults")
        for fault in FAULTS.values():
            notes = fault.plant(setting).notes
            names = [note.name for note in notes]
            good = bool(names) and names[0] in fault.right
            right += good
            mark = "right" if good else "WRONG"
            print(f"{mark:6} {fault.name:45} {', '.join(names) or '-'}", flush=True)
        print(f"== {name}: {right} of {len(FAULTS)} named rightly; healthy runs")
        false = 0
        for run_name, make in HEALTHY.items():
            names = [note.name for note in make(setting).notes]
            false += bool(names)
            mark = "ALARM" if names else "quiet"
            print(f"{mark:6} {run_name:45} {', '.join(names)}", flush=True)
        seconds = time.process_time() - begin
        print(f"== {name}: {false} false alarms of {len(HEALTHY)}; {seconds:.0f} s CPU")
        total_right, total = total_right + right, total + len(FAULTS)
        alarms, runs = alarms + false, runs + len(HEALTHY)
    print(f"all: {total_right} of {total} faults named, {alarms} alarms in {runs} runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
