"""Turns the published pickle into JSON, once: `python -m farfield_virl.convert gps_pano_mapping.pkl`."""

import argparse
import sys
from pathlib import Path

from farfield_virl.data.faults import BadData
from farfield_virl.data.mapping import read_panoramas_pickle, write_panoramas_json


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="farfield_virl.convert", description=__doc__)
    parser.add_argument("pickle", type=Path, help="the mapping from geocodes to panoramas, as published")
    parser.add_argument("json", type=Path, nargs="?", help="where to write; by default beside the pickle")
    given = parser.parse_args(arguments)
    target = given.json or given.pickle.with_suffix(".json")
    try:
        panoramas = read_panoramas_pickle(given.pickle)
    except BadData as error:
        print(error, file=sys.stderr)
        return 1
    write_panoramas_json(target, panoramas)
    print(f"{target}: {len(panoramas)} panoramas")
    return 0


if __name__ == "__main__":
    sys.exit(main())
