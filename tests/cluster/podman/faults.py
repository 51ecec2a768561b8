"""What a test does to the containers of a pod behind the cluster's back."""

import subprocess


def kill(namespace: str, name: str, container: str) -> None:
    """SIGKILL, as the machine's own when memory is short."""
    pod = _one("pod", "ps", "--quiet", "--filter", f"label=pod={namespace}/{name}")
    _podman(
        "kill", _one("ps", "--quiet", "--filter", f"pod={pod}", "--filter", f"label=container={container}")
    )


def cut(namespace: str, name: str) -> None:
    """Nothing reaches the pod, and it reaches nothing, until it is healed; connections are not told."""
    _link(namespace, name, "down")


def heal(namespace: str, name: str) -> None:
    _link(namespace, name, "up")


def _link(namespace: str, name: str, state: str) -> None:
    pod = _one("pod", "ps", "--quiet", "--filter", f"label=pod={namespace}/{name}")
    infra = _podman("pod", "inspect", pod, "--format", "{{.InfraContainerID}}")
    process = _podman("inspect", infra, "--format", "{{.State.Pid}}")
    inside = ["nsenter", f"--net=/proc/{process}/ns/net"]
    subprocess.run([*inside, "ip", "link", "set", "eth0", state], check=True)


def _one(*words: str) -> str:
    (found,) = _podman(*words).split()
    return found


def _podman(*words: str) -> str:
    done = subprocess.run(["podman", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()
