"""A check of somebody else's, found by its entry point."""

from farfield_conformance import Level, environment_check, expect
from farfield_conformance.environment.subject import EnvironmentSubject


@environment_check(Level.STATIC)
def prompts_ask(subject: EnvironmentSubject) -> None:
    """The first prompt is a question.

    End it with a question mark.
    """
    (episode,) = subject.start(1)
    expect("?" in episode.shown[-1].parts[-1].text, "no question")
