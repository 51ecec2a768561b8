"""podman, as a command."""

import asyncio


class PodmanError(Exception):
    """What podman wrote when it failed."""


async def podman(*words: str) -> str:
    """What it wrote. Raises PodmanError."""
    process = await asyncio.create_subprocess_exec(
        "podman", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    if process.returncode:
        raise PodmanError(f"podman {' '.join(words)}: {err.decode().strip()}")
    return out.decode().strip()


async def succeeds(*words: str) -> bool:
    return await output(*words) is not None


async def output(*words: str) -> str | None:
    """What it wrote; None where it failed."""
    try:
        return await podman(*words)
    except PodmanError:
        return None
