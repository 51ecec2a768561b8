"""The directory that a configuration asks for. What it needs is imported here, where it is asked for."""

from farfield_kernel.discovery.config import KubernetesDiscovery, StaticDiscovery
from farfield_kernel.discovery.contract import Directory
from farfield_kernel.discovery.static import static_directory
from farfield_kernel.errors import FailedPrecondition


async def opened(config: StaticDiscovery | KubernetesDiscovery) -> Directory | None:
    """Open; the caller closes it. Nothing is asked yet. None for an empty list: nothing is discovered."""
    if isinstance(config, StaticDiscovery):
        return static_directory(config) if config.services else None
    try:
        from farfield_kernel.cluster.api import ClusterApi
    except ModuleNotFoundError as error:
        raise FailedPrecondition(
            f"discovery through the Kubernetes API needs {error.name}: "
            "pip install 'farfield-kernel[discovery]'"
        ) from error
    from farfield_kernel.cluster.access import access
    from farfield_kernel.discovery.kubernetes import KubernetesDirectory

    reached = await access(config.context)
    return KubernetesDirectory(ClusterApi(reached), config.namespace or reached.namespace, config.selector)
