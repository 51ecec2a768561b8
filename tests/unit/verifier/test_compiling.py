import pytest

from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel.errors import InvalidArgument, NotFound
from farfield_verifier import plans
from farfield_verifier.compiling import MOST_DEPTH, MOST_NODES, compiled


def leaf(verifier: str = "match", label: str = "") -> pb.RewardPlan:
    return pb.RewardPlan(leaf=pb.Leaf(verifier=verifier, label=label))


def total(*terms: tuple[float, pb.RewardPlan]) -> pb.RewardPlan:
    made = [pb.WeightedSum.Term(weight=weight, plan=plan) for weight, plan in terms]
    return pb.RewardPlan(weighted_sum=pb.WeightedSum(terms=made))


async def find_judge(asked: pb.Leaf) -> str:
    if asked.verifier == "unknown":
        raise NotFound("no plugin 'unknown'")
    return f"judge of {asked.verifier}"


async def test_every_kind_of_node() -> None:
    plan = pb.RewardPlan(
        clip=pb.Clip(
            low=-1,
            high=1,
            plan=pb.RewardPlan(
                shaping=pb.Shaping(
                    per_turn=-0.5,
                    plan=pb.RewardPlan(
                        gate=pb.Gate(
                            condition=pb.RewardPlan(sequential=pb.Sequential(plans=[leaf("a"), leaf("b")])),
                            plan=total((2, leaf("c")), (3, pb.RewardPlan(max=pb.Max(plans=[leaf("d")])))),
                            otherwise=-1,
                        )
                    ),
                )
            ),
        )
    )
    node = await compiled(plan, find_judge)
    assert isinstance(node, plans.Clip)
    assert isinstance(node.node, plans.Shaping)
    gate = node.node.node
    assert isinstance(gate, plans.Gate)
    assert isinstance(gate.condition, plans.Sequential)
    assert isinstance(gate.node, plans.WeightedSum)
    assert gate.node.weights == [2, 3]
    assert [one.label for one in gate.condition.nodes] == ["a", "b"]
    assert gate.condition.nodes[0].judge == "judge of a"


async def test_gates_and_prices() -> None:
    length = pb.Length(plan=leaf("b"), per_token=-0.5, free_tokens=8, label="long")
    gate = pb.Gate(condition=leaf("a"), plan=pb.RewardPlan(length=length), opens=pb.Gate.ON_PARSEABLE)
    node = await compiled(pb.RewardPlan(gate=gate), find_judge)
    assert isinstance(node, plans.Gate)
    assert node.on_form
    assert isinstance(node.node, plans.Length)
    assert (node.node.free_tokens, node.node.most, node.node.label) == (8, float("inf"), "long")
    assert node.condition.order < node.node.node.order


async def test_a_plan_by_its_name() -> None:
    named = {"usual": pb.RewardPlan(clip=pb.Clip(plan=leaf(), high=1)), "loop": pb.RewardPlan(named="loop")}
    node = await compiled(total((1, pb.RewardPlan(named="usual")), (2, leaf("b"))), find_judge, named)
    assert isinstance(node.nodes[0], plans.Clip)
    with pytest.raises(
        NotFound, match=r"plan\.named: this service has no plan 'usuall'.* names: loop, usual"
    ):
        await compiled(pb.RewardPlan(named="usuall"), find_judge, named)
    with pytest.raises(InvalidArgument, match="at most 16 deep"):
        await compiled(pb.RewardPlan(named="loop"), find_judge, named)
    wrong = {"usual": pb.RewardPlan(max=pb.Max())}
    with pytest.raises(InvalidArgument, match=r"plan\.named\(usual\)\.max\.plans is empty"):
        await compiled(pb.RewardPlan(named="usual"), find_judge, wrong)


async def test_two_shapings_have_labels_of_their_own() -> None:
    inner = pb.RewardPlan(shaping=pb.Shaping(plan=leaf(), per_turn=1))
    with pytest.raises(InvalidArgument, match="the label 'shaping' is taken"):
        await compiled(pb.RewardPlan(shaping=pb.Shaping(plan=inner)), find_judge)
    node = await compiled(pb.RewardPlan(shaping=pb.Shaping(plan=inner, label="late")), find_judge)
    assert (node.label, node.node.label) == ("late", "shaping")


async def test_labels() -> None:
    node = await compiled(total((1, leaf()), (1, leaf(label="again"))), find_judge)
    assert [one.label for one in node.nodes] == ["match", "again"]


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (pb.RewardPlan(), "^plan is empty: set one of leaf, weighted_sum"),
        (total(), r"plan\.weighted_sum\.terms is empty"),
        (total((1, leaf()), (1, pb.RewardPlan())), r"plan\.weighted_sum\.terms\[1\]\.plan is empty"),
        (total((1, leaf()), (NAN, leaf("b"))), r"plan\.weighted_sum\.terms\[1\]\.weight is nan"),
        (total((1, leaf()), (1, leaf())), r"terms\[1\]\.plan\.leaf: the label 'match' is taken"),
        (pb.RewardPlan(max=pb.Max()), r"plan\.max\.plans is empty"),
        (pb.RewardPlan(sequential=pb.Sequential()), r"plan\.sequential\.plans is empty"),
        (pb.RewardPlan(gate=pb.Gate(plan=leaf())), r"plan\.gate\.condition is empty"),
        (pb.RewardPlan(gate=pb.Gate(condition=leaf())), r"plan\.gate\.plan is empty"),
        (pb.RewardPlan(gate=pb.Gate(otherwise=INF)), r"plan\.gate\.otherwise is inf"),
        (pb.RewardPlan(clip=pb.Clip(plan=leaf(), low=1, high=0)), r"plan\.clip: low is 1 and high 0"),
        (pb.RewardPlan(clip=pb.Clip(plan=leaf(), low=-INF)), r"plan\.clip\.low is -inf"),
        (pb.RewardPlan(gate=pb.Gate(condition=leaf(), plan=leaf("b"), opens=9)), r"plan\.gate\.opens is 9"),
        (pb.RewardPlan(length=pb.Length(plan=leaf(), per_token=INF)), r"plan\.length\.per_token is inf"),
        (pb.RewardPlan(length=pb.Length(plan=leaf(), free_tokens=-1)), r"plan\.length: free_tokens is -1"),
        (pb.RewardPlan(length=pb.Length()), r"plan\.length\.plan is empty"),
        (pb.RewardPlan(shaping=pb.Shaping(plan=leaf(), per_turn=NAN)), r"plan\.shaping\.per_turn is nan"),
    ],
)
async def test_an_error_says_where_it_is(plan: pb.RewardPlan, says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        await compiled(plan, find_judge)


async def test_an_unknown_verifier_keeps_its_code() -> None:
    with pytest.raises(NotFound, match=r"plan\.weighted_sum\.terms\[0\]\.plan\.leaf: no plugin 'unknown'"):
        await compiled(total((1, leaf("unknown"))), find_judge)


async def test_depth_is_bounded() -> None:
    plan = leaf()
    for _ in range(MOST_DEPTH - 1):
        plan = pb.RewardPlan(clip=pb.Clip(plan=plan, high=1))
    await compiled(plan, find_judge)
    with pytest.raises(InvalidArgument, match="at most 16 deep"):
        await compiled(pb.RewardPlan(clip=pb.Clip(plan=plan, high=1)), find_judge)


async def test_size_is_bounded() -> None:
    leaves = [(1.0, leaf(label=str(number))) for number in range(MOST_NODES)]
    await compiled(total(*leaves[:-1]), find_judge)
    with pytest.raises(InvalidArgument, match="at most 64 nodes"):
        await compiled(total(*leaves), find_judge)
