"""`python -m tests.cluster [--podman] [FOLDER]`: a simulator to play with, until interrupted; its
kubeconfig is written to the folder. With `--podman` pods are run by the toy kubelet, which keeps claims and
logs in the folder."""

import signal
import sys
from pathlib import Path

from tests.cluster.kubelet import ImaginaryKubelet
from tests.cluster.podman.kubelet import PodmanKubelet
from tests.cluster.simulator import running

words = [word for word in sys.argv[1:] if word != "--podman"]
folder = Path(*words[:1])
signals = {signal.SIGINT, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
with running(
    folder, (lambda: PodmanKubelet(folder.absolute())) if "--podman" in sys.argv else ImaginaryKubelet
) as one:
    print(f"export KUBECONFIG={one.kubeconfig.absolute()}", flush=True)
    signal.sigwait(signals)
