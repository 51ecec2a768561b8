"""A dashboard as data, and Grafana's JSON of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphDrawStyle, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
)

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_WIDTH, _HEIGHT = 8, 8
"""Of a graph, in Grafana's grid of 24 columns."""


@dataclass(frozen=True, slots=True)
class Line:
    """A query. `{N` in it stands for the matcher of the chosen namespaces, `{R` for that and for runs."""

    query: str
    legend: str

    @property
    def expression(self) -> str:
        namespace = 'namespace=~"$namespace"'
        return self.query.replace("{R", f'{{{namespace}, run=~"$run"').replace("{N", f"{{{namespace}")


@dataclass(frozen=True, slots=True)
class Graph:
    """`unit` as Grafana calls it: s, percentunit, bytes, short, ops."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    text: str = ""


class Row:
    def __init__(self, title: str, *graphs: Graph) -> None:
        self.title, self.graphs = title, graphs


@dataclass(frozen=True, slots=True)
class Board:
    uid: str
    title: str
    text: str
    rows: tuple[Row, ...]
    by_run: bool = False
    """Whether a run can be chosen."""

    def json(self) -> str:
        return json.dumps(self.built(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"

    def built(self) -> Any:
        board = dashboard.Dashboard(self.title).uid(self.uid).description(self.text).tags(["farfield"])
        board = board.time("now-6h", "now").refresh("30s").readonly().tooltip(DashboardCursorSync.CROSSHAIR)
        board = board.with_variable(
            dashboard.DatasourceVariable("datasource").type("prometheus").label("Data source")
        )
        board = board.with_variable(_choice("namespace", "label_values(farfield_rpc_total, namespace)"))
        if self.by_run:
            runs = 'label_values(farfield_trainer_update{namespace=~"$namespace"}, run)'
            board = board.with_variable(_choice("run", runs))
        number = count(1)
        for row in self.rows:
            board = board.with_row(dashboard.Row(row.title).id(next(number)))
            for graph in row.graphs:
                board = board.with_panel(_panel(graph).id(next(number)))
        return board.build()


def _choice(name: str, query: str) -> dashboard.QueryVariable:
    """All by default. A Prometheus without such a label has it empty, and `.*` matches that too."""
    everything = VariableOption(selected=True, text="All", value="$__all")
    choice = dashboard.QueryVariable(name).query(query).datasource(SOURCE).multi(True).include_all(True)
    return choice.all_value(".*").current(everything).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


def _panel(graph: Graph) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM)
    panel = timeseries.Panel().title(graph.title).description(graph.text).unit(graph.unit).datasource(SOURCE)
    panel = panel.height(_HEIGHT).span(_WIDTH).legend(legend.display_mode(LegendDisplayMode.LIST))
    panel = panel.draw_style(GraphDrawStyle.LINE).line_width(1).fill_opacity(8)
    for letter, line in zip("ABCDEFGH", graph.lines, strict=False):
        target = prometheus.Dataquery().expr(line.expression).legend_format(line.legend).ref_id(letter)
        panel = panel.with_target(target.range().datasource(SOURCE))
    return panel


def graph(title: str, unit: str, *lines: Line, text: str = "") -> Graph:
    return Graph(title, unit, lines, text)


# The queries. Names of metrics are given without `farfield_`.


def level(name: str, *by: str, legend: str = "", where: str = "{N}") -> Line:
    """A gauge, summed by these labels; of every instance where none is given."""
    if not by:
        return Line(f"farfield_{name}{where}", legend or "{{instance}}")
    return Line(f"sum by ({', '.join(by)}) (farfield_{name}{where})", _legend(by, legend))


def rate(name: str, *by: str, legend: str = "", where: str = "{N}") -> Line:
    """A counter by the second, summed by these labels."""
    summed = f"sum by ({', '.join(by)}) " if by else "sum"
    return Line(f"{summed}(rate(farfield_{name}{where}[$__rate_interval]))", _legend(by, legend))


def quantiles(name: str, by: str, where: str = "{N}") -> list[Line]:
    """The median and the 95th percentile of a histogram, by a label."""
    buckets = f"sum by (le, {by}) (rate(farfield_{name}_bucket{where}[$__rate_interval]))"
    return [
        Line(f"histogram_quantile({share}, {buckets})", _legend((by,), said))
        for share, said in ((0.5, "median"), (0.95, "95 %"))
    ]


def of_run(title: str, unit: str, *names: str, text: str = "") -> Graph:
    """Figures of the trainer, one line for each run."""
    lines = (level(f"trainer_{name}", legend=f"{{{{run}}}} {name}", where="{R}") for name in names)
    return Graph(title, unit, tuple(lines), text)


def _legend(by: Sequence[str], said: str) -> str:
    return " ".join([*(f"{{{{{label}}}}}" for label in by), *([said] if said else [])])
