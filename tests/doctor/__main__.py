"""Print the matrix of planted faults and healthy runs.

python -m tests.doctor                      all of it, some minutes
python -m tests.doctor first healthy        one setting, one half of it
"""

import sys
import time

from tests.doctor.faults import FAULTS
from tests.doctor.healthy import HEALTHY, SETTINGS


def faults(setting) -> int:
    """Print what the doctor says to each planted fault; return how many are right."""
    right = 0
    for fault in FAULTS.values():
        names = [note.name for note in fault.plant(setting).notes]
        good = bool(names) and names[0] in fault.right
        right += good
        mark = "right" if good else "WRONG"
        print(f"{mark:6} {fault.name:45} {', '.join(names) or '-'}", flush=True)
    print(f"== {right} of {len(FAULTS)} planted faults named rightly")
    return right


def healthy(setting) -> int:
    """Print what the doctor says to each healthy run; return the false alarms."""
    alarms = 0
    for name, make in HEALTHY.items():
        notes = make(setting).notes
        alarms += bool(notes)
        mark = "ALARM" if notes else "quiet"
        print(f"{mark:6} {name:45} {'; '.join(map(str, notes))}", flush=True)
    print(f"== {alarms} false alarms in {len(HEALTHY)} healthy runs")
    return alarms


def main(wanted: list[str]) -> int:
    """Run the parts whose names are given; return the exit status."""
    parts = {"faults": faults, "healthy": healthy}
    halves = [p for p in parts if p in wanted] or list(parts)
    names = [w for w in wanted if w not in parts]
    for name, setting in SETTINGS.items():
        if names and not any(w in name for w in names):
            continue
        for half in halves:
            begin = time.process_time()
            print(f"== {name}: {half}")
            parts[half](setting)
            print(f"== {time.process_time() - begin:.0f} s of CPU time")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
