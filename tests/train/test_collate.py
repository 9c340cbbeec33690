import pytest

from gcsl_data.errors import DataError
from gcsl_train.collate import collate
from gcsl_train.table import tokenise

from .tables import table


def test_each_position_predicts_the_next_token_of_its_own_answer():
    batch = collate(table(([1, 2, 3], [4, 5]), ([6], [7, 8, 9]), weight=[1.0, 0.5]), (1, 0))
    assert batch.ids_1T.tolist() == [[6, 7, 8, 9, 1, 2, 3, 4, 5]]
    assert batch.positions_1T.tolist() == [[0, 1, 2, 3, 0, 1, 2, 3, 4]]
    assert batch.cu_seqlens_N.tolist() == [0, 4, 9]
    assert batch.longest == 5
    assert batch.at_S.tolist() == [0, 1, 2, 6, 7]
    assert batch.targets_S.tolist() == [7, 8, 9, 4, 5]
    assert batch.numbers_N["weight"].tolist() == [0.5, 1.0]
    assert batch.document_S.tolist() == [0, 0, 0, 1, 1]


def test_the_first_token_of_a_document_is_never_a_target():
    batch = collate(table(([], [4, 5, 6]), ([1], [2])), (0, 1))
    assert batch.targets_S.tolist() == [5, 6, 2]
    assert batch.at_S.tolist() == [0, 1, 3]


def test_a_rank_without_a_pack_gets_one_token_and_no_target():
    batch = collate(table(([1], [2])), ())
    assert batch.ids_1T.shape == (1, 1)
    assert batch.cu_seqlens_N.tolist() == [0, 1]
    assert len(batch.targets_S) == len(batch.at_S) == len(batch.item_N) == 0


def test_no_example_at_all_is_a_data_error():
    with pytest.raises(DataError, match="nothing is left of this split"):
        tokenise([], None, capacity=8)
