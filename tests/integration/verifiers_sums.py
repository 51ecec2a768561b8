"""A taskset of the library `verifiers`: sums, rewarded twice over; and one that needs more than a reply."""

from collections.abc import Iterator

import verifiers.v1 as vf


class SumData(vf.TaskData):
    answer: str


class SumTask(vf.Task[SumData, vf.State, vf.TaskConfig]):
    @vf.reward(weight=0.75)
    async def right(self, trace: vf.Trace) -> float:
        if trace.last_reply == "break":
            raise ValueError("the function broke")
        return float(trace.last_reply == self.data.answer)

    @vf.reward(weight=0.25)
    async def short(self, trace: vf.Trace) -> float:
        return float(len(trace.messages[-1].content) < 3)

    @vf.metric
    async def turns(self, trace: vf.Trace) -> float:
        return trace.num_turns


class PreparedTask(SumTask):
    async def setup(self, trace: vf.Trace, runtime: vf.Runtime) -> None:
        raise AssertionError("nothing prepares a task here")


class SumConfig(vf.TasksetConfig):
    count: int = 3
    prepared: bool = False


class Sums(vf.Taskset[SumTask, SumConfig]):
    def load(self) -> Iterator[SumTask]:
        kind = PreparedTask if self.config.prepared else SumTask
        for n in range(self.config.count):
            data = SumData(prompt=f"{n} + 1?", system_prompt="Add.", answer=str(n + 1))
            yield kind(data, self.config.task)


__all__ = ["Sums"]
