"""The environment `verifiers`: one task of a taskset, one reply."""

from farfield_sdk import Environment, Message, Observation, Outcome, Start, State, Text
from farfield_verifiers.options import TasksetOptions


class Taskset(Environment[TasksetOptions]):
    """A single-turn taskset of the library `verifiers`: the seed names the task, modulo the number of those
    in the split.

    Whether a reply is right only the verifier knows: no episode is a success by the environment's word.
    """

    name = "verifiers"
    version = "1.0.0"
    Options = TasksetOptions
    executor = "thread"  # loading reads data sets

    def reset(self, seed: int) -> Start:
        from farfield_verifiers import library  # seconds, and a hundred packages

        options = self.options
        tasks = library.tasks(options.taskset, options.config, options.limit, options.split)
        task = tasks[seed % len(tasks)]
        messages = tuple(Message(role, (Text(text),)) for role, text in library.prompt(task))
        facts = {
            "taskset": options.taskset,
            "config": options.config,
            "task": task.data.model_dump(mode="json"),
        }
        return Start(Observation(messages), facts)

    def step(self, response: str) -> Outcome:
        return Outcome(State.TERMINATED)
