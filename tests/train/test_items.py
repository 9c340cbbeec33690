"""Rows of each kind become items of documents: what stands together, what is left out and counted, and what is refused."""

import pytest
from transformers import AutoTokenizer

from gcsl_data.dataset.manifest import load
from gcsl_data.errors import DataError
from gcsl_train.collate import collate, mismatched_packs
from gcsl_train.kinds import LAYOUTS
from gcsl_train.plan import plan
from gcsl_train.shards import read_examples
from gcsl_train.table import tokenise
from gcsl_train.tokens import Encoder

from .support import command, make_dataset, make_kind_dataset, make_kind_rows, make_rows, make_tokenizer
from .tables import table

KINDS = [kind for kind in LAYOUTS if kind != "examples"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(folder)
    return AutoTokenizer.from_pretrained(folder)


def tokens(dataset, tokenizer, **options):
    manifest = load(dataset)
    return tokenise(
        read_examples(dataset, manifest), Encoder(tokenizer, manifest.format), **{"capacity": 128, **options}
    )


def answers(row):
    """The answers of a row, in the order of documents."""
    if "completion" in row:
        return [row["completion"]]
    several = isinstance(row["rejected"], list) and isinstance(row["rejected"][0], list | str)
    return [row["chosen"], *(row["rejected"] if several else [row["rejected"]])]


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_documents_of_an_item_are_its_prompt_with_each_of_its_answers(kind, text, tokenizer, tmp_path):
    rows = make_kind_rows(kind, 12, text=text)
    made = tokens(make_kind_dataset(tmp_path / "d", kind, rows, text=text), tokenizer, capacity=256)
    encoder = Encoder(tokenizer, "text" if text else "messages")
    expected = []
    for group in [rows[i : i + 3] for i in range(0, 12, 3)] if kind == "groups" else [[row] for row in rows]:
        expected.append([[*encoder.prompt(r["prompt"]), *encoder.completion(a)] for r in group for a in answers(r)])
    found = [[made.documents[d].tolist() for d in made.members(item)] for item in range(len(made.items) - 1)]
    assert found == expected
    assert made.examples == 12
    assert made.lengths.tolist() == [sum(map(len, item)) for item in expected]
    for name in LAYOUTS[kind].numbers:
        per_document = [float(row.get(name, 0)) for row in rows for _ in answers(row)]
        assert made.numbers[name].tolist() == pytest.approx(per_document)


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_is_never_split_over_packs(kind, tokenizer, tmp_path):
    made = tokens(make_kind_dataset(tmp_path / "d", kind), tokenizer)
    packs = plan(made.lengths, seed=1, epoch=0, capacity=160)
    assert len(packs) > 1
    seen = []
    for pack in packs:
        batch = collate(made, pack)
        assert batch.ids_1T.shape[1] == sum(made.lengths[list(pack)]) <= 160
        seen += [(pack[i], name) for i, name in zip(batch.item_N.tolist(), batch.names_N, strict=True)]
        firsts = [n for n, first in enumerate(batch.first_N.tolist()) if first]
        assert [batch.item_N[n].item() for n in firsts] == list(range(len(pack)))
    assert sorted(seen) == [(i, made.names[d]) for i in range(len(made.items) - 1) for d in made.members(i)]


def test_an_item_with_one_document_too_many_is_left_out_whole(tokenizer, tmp_path):
    rows = make_kind_rows("pairs", 6)
    rows[2]["rejected"][0]["content"] = "red " * 100
    made = tokens(make_kind_dataset(tmp_path / "d", "pairs", rows), tokenizer)
    assert (made.examples, made.dropped, len(made.names)) == (5, 1, 10)
    assert rows[2]["id"] not in made.names


def test_groups_that_teach_nothing_are_left_out_and_counted(tokenizer, tmp_path):
    rows = make_kind_rows("groups", 9)
    for row in rows[3:6]:
        row["advantage"] = 0.0
    dataset = make_kind_dataset(tmp_path / "d", "groups", rows[:7])
    made = tokens(dataset, tokenizer)
    assert made.filtered == {"equal_rewards": 3, "group_of_one": 1}
    assert (made.examples, made.dropped, made.items.tolist()) == (3, 0, [0, 3])
    with pytest.raises(DataError, match=r"nothing is left of this split: .*3 equal_rewards, 1 group_of_one"):
        tokens(make_kind_dataset(tmp_path / "none", "groups", rows[3:7]), tokenizer)


def test_a_run_says_what_it_left_out(model, tmp_path, capsys):
    rows = make_kind_rows("groups", 7)
    dataset = make_kind_dataset(tmp_path / "d", "groups", rows)
    assert command(dataset, "--model", model, "--loss", "gft", "--out", tmp_path / "run", "--max-steps", 1) == 0
    assert "6 examples" in (err := capsys.readouterr().err)
    assert ", 1 group_of_one" in err


def test_a_run_that_leaves_much_out_warns(model, tmp_path, capsys):
    rows = make_kind_rows("groups", 12)
    for row in rows[3:6]:
        row["completion"][0]["content"] = "red " * 60
    dataset = make_kind_dataset(tmp_path / "d", "groups", rows)
    words = (dataset, "--model", model, "--loss", "gft", "--max-length", 192, "--max-steps", 1)
    assert command(*words, "--out", tmp_path / "run") == 0
    assert "warning: 25% of the examples are left out; raise --max-length (the longest has " in capsys.readouterr().err


def test_a_group_that_does_not_stand_together_is_refused(tokenizer, tmp_path):
    rows = make_kind_rows("groups", 6)
    dataset = make_kind_dataset(tmp_path / "d", "groups", [*rows[:2], *rows[3:], rows[2]])
    with pytest.raises(DataError, match=r"row 0{15}2: its group g0 does not stand together"):
        tokens(dataset, tokenizer)


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("groups", {"advantage": float("nan")}, "advantage is nan, expected a finite number"),
        ("groups", {"advantage": None}, "a null in id, prompt, completion, advantage or group"),
        ("pairs", {"smoothing": 0.5}, "smoothing is 0.5, expected from 0 to less than 0.5"),
        ("pairs", {"weight": float("inf")}, "weight is inf, expected a finite number"),
        ("pairs", {"rejected": None}, "a null in id, prompt, chosen or rejected"),
        ("multi-negative", {"rejected": []}, "rejected is an empty list"),
        ("multi-negative", {"rejected": [None]}, "a null in id, prompt, chosen or rejected"),
        ("unpaired", {"label": None}, "a null in id, prompt, completion or label"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(kind, changes, said, tokenizer, tmp_path):
    rows = make_kind_rows(kind, 3)
    rows[1] |= changes
    dataset = make_kind_dataset(tmp_path / "d", kind, rows)
    with pytest.raises(DataError, match=f"row 2.*{said}"):
        tokens(dataset, tokenizer)


def test_a_column_that_is_missing_or_of_another_type_is_named(tokenizer, tmp_path):
    rows = [{k: v for k, v in row.items() if k != "label"} for row in make_kind_rows("unpaired", 3)]
    with pytest.raises(DataError, match="has no column 'label'"):
        tokens(make_kind_dataset(tmp_path / "a", "unpaired", rows), tokenizer)
    with pytest.raises(DataError, match=r"column .rejected. is list<.*but the manifest says messages"):
        tokens(make_kind_dataset(tmp_path / "b", "pairs", kind="multi-negative"), tokenizer)
    with pytest.raises(DataError, match=r"column .rejected. is list<item: list<.*but the manifest says messages"):
        tokens(make_kind_dataset(tmp_path / "c", "multi-negative", kind="pairs"), tokenizer)
    with pytest.raises(DataError, match="column 'prompt' is string, but the manifest says messages"):
        tokens(make_kind_dataset(tmp_path / "d", "pairs", text=True, format="messages"), tokenizer)


def test_optional_numbers_have_defaults(tokenizer, tmp_path):
    rows = [{k: v for k, v in r.items() if k not in ("weight", "smoothing")} for r in make_kind_rows("pairs", 3)]
    made = tokens(make_kind_dataset(tmp_path / "d", "pairs", rows), tokenizer)
    assert made.numbers["weight"].tolist() == [1.0] * 6
    assert made.numbers["smoothing"].tolist() == [0.0] * 6


def test_each_prompt_is_matched_with_the_last_other_one_before_it():
    a, b, c = [1, 2], [3], [4, 5]
    made = table((a, [6]), (a, [7]), (b, [8]), (c, [9, 9]), (a, [10]))
    assert made.partners.tolist() == [3, 3, 1, 2, 3]
    batch = collate(made, (0, 2), "mismatched")
    assert batch.ids_1T.tolist() == [[1, 2, 9, 9, 3, 7]]
    assert batch.targets_S.tolist() == [9, 9, 7]


def test_where_all_prompts_are_one_the_answer_before_is_taken():
    assert table(([1], [2]), ([1], [3]), ([1], [4])).partners.tolist() == [2, 0, 1]


def test_mismatched_documents_keep_to_the_capacity_and_one_that_is_longer_is_left_out():
    made = table(([1] * 5, [2]), ([3], [4] * 6), ([5], [6]), ([7], [8]))
    # Prompts with the answers before them: 5 + 1, 1 + 1, 1 + 6, 1 + 1 tokens.
    assert mismatched_packs(made, (0, 1, 2, 3), capacity=8) == [(0, 1), (2,), (3,)]
    assert mismatched_packs(made, (0, 1, 2, 3), capacity=6) == [(0,), (1, 3)]
    assert mismatched_packs(made, (), capacity=6) == [()]


@pytest.mark.parametrize("placement", ["prefix", "suffix", "system"])
def test_the_bare_view_is_the_prompt_without_its_goal_and_the_same_answer(placement, tokenizer, tmp_path):
    rows = make_rows(6, placement=placement)
    rows[2]["goal"], rows[2]["prompt"] = None, [{"role": "user", "content": "red"}]
    manifest_changes = {"placement": placement}
    made = tokens(make_dataset(tmp_path / "d", rows, **manifest_changes), tokenizer, bare=placement)
    own, bare = (collate(made, (0, 1, 2, 3, 4, 5), view) for view in ("own", "bare"))
    assert own.targets_S.equal(bare.targets_S)
    assert own.document_S.equal(bare.document_S)
    decoded = tokenizer.decode(bare.ids_1T[0])
    assert "score" in tokenizer.decode(own.ids_1T[0])
    assert "score" not in decoded
    assert decoded.count("Say the next word after") == 5
    third = slice(*made.documents.offsets[2:4].tolist())
    assert made.bare[2].tolist() == own.ids_1T[0, third][: made.prompt_lengths[2]].tolist()


def test_a_prompt_that_is_nothing_but_its_goal_has_no_reference(tokenizer, tmp_path):
    rows = [{"id": "x" * 16, "prompt": "Be good.\n\n", "completion": "red", "goal": "Be good."}]
    dataset = make_dataset(tmp_path / "d", rows, text=True)
    with pytest.raises(DataError, match=f"row {'x' * 16}: its prompt is empty without the goal"):
        tokens(dataset, tokenizer, bare="prefix")


def test_a_goal_that_is_not_in_its_place_is_refused(tokenizer, tmp_path):
    rows = make_rows(2)
    rows[1]["prompt"] = [{"role": "user", "content": "something else"}]
    with pytest.raises(DataError, match=r"row 0{15}1: .*does not stand in this prompt"):
        tokens(make_dataset(tmp_path / "d", rows), tokenizer, bare="prefix")
