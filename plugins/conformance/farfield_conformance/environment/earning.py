"""That who wins earns most, and noise less."""

from itertools import pairwise
from statistics import fmean as mean

from farfield_conformance import responses
from farfield_conformance.check import Level, Skipped, environment_check, expect
from farfield_conformance.environment import oracle
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.verifier import attempts
from farfield_conformance.verifier.subject import VerifierSubject

SEEDS = range(10, 18)
NOISE = ("x", "0", "yes", "{}", *responses.MALFORMED.values())


@environment_check(Level.SEMANTICS)
def noise_earns_less_than_the_oracle(subject: EnvironmentSubject) -> str:
    """Responses that have nothing to do with the episode, noise and the right ones of other episodes, earn
    less than the right ones on average, and no single one earns more.

    Look at what the verifier rewards besides the answer: a length, a form, a word that is always there.
    """
    verifier = _verifier(subject)
    right = {seed: list(oracle.right_responses(subject, seed)) for seed in SEEDS}
    best = [_earned(subject, verifier, seed, right[seed]) for seed in SEEDS]
    goal, highest = mean([one[-1] for one in best]), max(map(max, best))
    noise = [(seed, text) for seed in SEEDS for text in NOISE]
    swapped = [(one, right[two][0]) for one, two in pairwise(SEEDS)]
    means = {}
    for name, said in (("noise", noise), ("right responses of other episodes", swapped)):
        found = [_earned(subject, verifier, seed, [text])[0] for seed, text in said]
        means[name] = mean(found)
        expect(mean(found) < goal, f"{name} earn {mean(found):.2f}, the oracle's last response {goal:.2f}")
        expect(max(found) <= highest, f"{name} earn up to {max(found):g}, the oracle {highest:g}")
    return f"the oracle's last response earns {goal:.2f}, noise {means['noise']:.2f}"


@environment_check(Level.SEMANTICS)
def the_oracle_earns_most(subject: EnvironmentSubject) -> str:
    """The response that wins is correct to the verifier, and earns its largest reward.

    Environment and verifier judge by one and the same code; let both call it.
    """
    verifier, rewards = _verifier(subject), []
    for seed in SEEDS:
        episode = oracle.solved(subject, seed)
        (verdict,) = verifier.verdicts([attempts.last_of(episode)])
        agree = verdict.correct and verdict.parseable
        expect(
            agree,
            f"seed {seed}: the winning response is correct={verdict.correct}, parseable={verdict.parseable}",
        )
        rewards.append(verdict.reward)
    wrong = [
        max(_earned(subject, verifier, seed, [text]))
        for seed in SEEDS
        for text in (*NOISE, *responses.HOSTILE.values())
    ]
    expect(min(rewards) > max(wrong), f"it earns {min(rewards):g}, a wrong one up to {max(wrong):g}")
    return f"it earns {min(rewards):g}" + ("" if len(set(rewards)) == 1 else f" to {max(rewards):g}")


def _verifier(subject: EnvironmentSubject) -> VerifierSubject:
    if subject.verifier is None:
        raise Skipped("no verifier is named")
    if subject.verifier.info.whole_groups:
        raise Skipped("the verifier compares the responses of a group: one alone earns nothing")
    return subject.verifier


def _earned(
    subject: EnvironmentSubject, verifier: VerifierSubject, seed: int, said: list[str]
) -> list[float]:
    """Reward of each response in one episode."""
    (episode,) = subject.start(seed)
    rewards = []
    for response in said:
        if episode.ended:
            break
        episode.step(response)
        rewards.append(verifier.verdicts([attempts.last_of(episode)])[0].reward)
    return rewards
