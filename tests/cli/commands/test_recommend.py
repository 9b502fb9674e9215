import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from symcere_jax import NewUser, Recommender


@pytest.fixture(scope="module")
def where(trained, dataset):
    _, workdir = trained
    return f"--workdir={workdir}", f"--dataset={dataset.folder}"


@pytest.fixture(scope="module")
def recommender(trained, dataset):
    return Recommender.load(trained[1], dataset)


def lines(run):
    assert run.status == 0, run.err
    return [json.loads(line) for line in run.out.splitlines()]


def found(line):
    return [item["item_id"] for item in line["items"]]


def names(ranking):
    return [item_id for item_id, _ in ranking]


def test_users_of_the_command_line_and_of_a_file(run_binary, where, recommender, tmp_path):
    users = recommender.users.ids[[4, 1]].tolist()
    file = tmp_path / "users.txt"
    file.write_text(f"{users[1]}\r\n\n")
    run = run_binary("recommend", *where, f"--users={users[0]}", f"--users_file={file}", "--k=3")
    assert [line["user_id"] for line in lines(run)] == users
    assert list(map(found, lines(run))) == list(map(names, recommender.recommend(users, 3)))


def test_all_users_into_a_file(run_binary, where, recommender, dataset, tmp_path):
    output = tmp_path / "all.parquet"
    run = run_binary("recommend", *where, "--k=2", f"--output={output}")
    assert run.status == 0, run.err
    assert run.out == f"{dataset.n_users:,} users: {output}\n"
    table = pq.read_table(output)
    assert table["user_id"].to_pylist() == np.repeat(dataset.user_ids(), 2).tolist()
    assert table["item_id"].to_pylist()[:2] == names(recommender.recommend(["user-000"], 2)[0])
    run = run_binary("recommend", *where, f"--output={output}")
    assert run.status == 1 and "exists; replace it with --overwrite" in run.error
    run = run_binary("recommend", *where, f"--output={output}", "--overwrite")
    assert run.status == 0 and len(pq.read_table(output)) > len(table)


def test_somebody_new(run_binary, where, recommender, dataset):
    liked = recommender.items.ids[[3, 9]].tolist()
    run = run_binary("recommend", *where, f"--items={','.join(liked)}", "--texts=pool", "--k=4")
    [expected] = recommender.recommend_new([NewUser(liked, ["pool"])], 4)
    [line] = lines(run)
    assert line["user_id"] is None and found(line) == names(expected)


def test_search_and_similar_items(run_binary, where, recommender, tmp_path):
    allowed = recommender.items.ids[:9].tolist()
    file = tmp_path / "items.txt"
    file.write_text("\n".join(allowed))
    filtered = f"--filter_items_file={file}"
    run = run_binary("recommend", *where, "--search=beach pool", "--k=3", filtered)
    expected = recommender.search("beach pool", 3, filter_items=allowed)
    [line] = lines(run)
    assert line["text"] == "beach pool" and found(line) == names(expected)
    run = run_binary("recommend", *where, f"--similar={allowed[2]}", "--k=3")
    assert [found(line) for line in lines(run)] == [
        names(recommender.similar_items([allowed[2]], 3)[0])
    ]
    run = run_binary("recommend", *where, f"--similar={allowed[2]}", filtered)
    assert set(found(lines(run)[0])) == set(allowed) - {allowed[2]}


def test_unknown_words_are_said_beside_what_is_found(run_binary, where):
    run = run_binary("recommend", *where, "--search=qwertz pool", "--k=3")
    assert len(found(lines(run)[0])) == 3
    assert run.err == "note: words that the model does not know: qwertz\n"
    run = run_binary("recommend", *where, "--texts=qwertz", "--texts=pool", "--k=3")
    assert run.status == 0 and run.err == "note: words that the model does not know: qwertz\n"


def test_an_index_on_request(run_binary, where, recommender):
    run = run_binary("recommend", *where, "--users=user-003", "--index=hnsw", "--k=4")
    assert found(lines(run)[0]) == names(recommender.recommend(["user-003"], 4)[0])


def test_users_who_are_unknown_are_skipped_on_request(run_binary, where, recommender):
    run = run_binary("recommend", *where, "--users=nobody,user-003,x y", "--skip_unknown")
    assert [line["user_id"] for line in lines(run)] == ["user-003"]
    assert run.err.strip().endswith("nobody, x y")


def test_what_is_new_since_the_training(run_binary, where, recommender, tmp_path):
    excluded = recommender.items.ids[:20].tolist()
    (tmp_path / "out.txt").write_text("\n".join(excluded))
    (tmp_path / "new.jsonl").write_text('\n{"item_id": "new", "texts": ["pool and beach"]}\n')
    arguments = ("--users=user-003,user-001", "--items=item-30", "--k=30",
                 f"--exclude_items_file={tmp_path / 'out.txt'}",
                 f"--new_items_file={tmp_path / 'new.jsonl'}")  # fmt: skip
    run = run_binary("recommend", *where, *arguments)
    assert [line["user_id"] for line in lines(run)] == ["user-003", "user-001"]
    expected = recommender.with_items({"new": ["pool and beach"]}).recommend_new(
        [NewUser(["item-30"], user_id=user) for user in ("user-003", "user-001")],
        30,
        exclude_items=excluded,
    )
    assert list(map(found, lines(run))) == list(map(names, expected))
    assert "new" in found(lines(run)[0])
    assert not {"item-30", *excluded} & {*found(lines(run)[0]), *found(lines(run)[1])}


@pytest.mark.parametrize(
    "text", ["new\n", '{"item_id": "a"}\n', '{"item_id": "a", "texts": "b"}\n', "[1]\n",
             '{"item_id": "a", "texts": []}\n' * 2],
)  # fmt: skip
def test_a_file_of_new_items_is_refused_with_its_line(run_binary, where, tmp_path, text):
    (tmp_path / "new.jsonl").write_text(text)
    run = run_binary("recommend", *where, f"--new_items_file={tmp_path / 'new.jsonl'}")
    assert run.status == 1
    assert f"new.jsonl, line {text.count(chr(10))}: must be" in run.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--users=nobody"], "no user 'nobody'"),
        (["--users=user-001", "--search=pool"], "give only one of: users"),
        (["--users=user-001", "--items="], "--items is empty: give at least one id"),
        (["--users=user-001", "--texts=pool"], "user 'user-001' is known: give items, not texts"),
        (["--new_items_file=absent.jsonl"], "absent.jsonl: not readable"),
        (["--users="], "--users is empty: give at least one id"),
        (["--items=", "--texts=pool"], "--items is empty: give at least one id"),
        (["--similar="], "--similar is empty: give at least one id"),
        (["--search=pool", "--output=x.csv"], "--output is for users of the data"),
        (["--output=x.txt"], "must end in one of .jsonl, .csv, .parquet"),
        (["--users_file=absent.txt"], "absent.txt: not readable"),
        (["--items=nothing"], "no item 'nothing'"),
        (["--search=qwertz zxcvb"], "no word of 'qwertz zxcvb' is known to the text encoder"),
    ],
)
def test_bad_command_lines(run_binary, where, arguments, message):
    run = run_binary("recommend", *where, *arguments)
    assert run.status == 1
    assert message in run.error
