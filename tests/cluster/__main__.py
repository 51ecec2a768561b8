"""`python -m tests.cluster [FOLDER]`: a simulator to play with, until interrupted; its kubeconfig is written
to the folder."""

import signal
import sys
from pathlib import Path

from tests.cluster.simulator import running

with running(Path(sys.argv[1] if len(sys.argv) > 1 else ".")) as cluster:
    print(f"export KUBECONFIG={cluster.kubeconfig.absolute()}", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
