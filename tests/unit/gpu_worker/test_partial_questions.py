"""A partial replay at the worker: only what must be asked is asked, and only comparable answers are kept."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gpu_worker.effects import Candidate, Fetch
from gpu_worker.engines.cpu import cpu_engine
from gpu_worker.engines.engine import EngineOptions, ScorableImage
from gpu_worker.events import BatchScored, Dependency, DependencyFailed, Event
from gpu_worker.fetch import Scorable, from_previews, scorable
from gpu_worker.perform import Performer
from gpu_worker.prompts.pack import PromptPack, shipped_pack
from gpu_worker.score import Scorer, score_batch
from parjanya_dagster.control.policies import PolicyInForce, publish_policy
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.execution.outcome import Completed
from parjanya_dagster.core.intent.job import Job
from parjanya_dagster.core.truth.answers import Answer, Answers
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import a_job, a_result, a_row, previews_of, some_facts
from tests.unit.gpu_worker.scripted_engine import ScriptedEngine, a_preview

PACK = shipped_pack()
ASKED = ("sharpness",)
KEPT = tuple(question.id for question in PACK.questions if question.id not in ASKED)


class Examined(ScriptedEngine):
    """Remembers which questions it was asked; short of memory, it answers partial packs with fewer pixels."""

    def __init__(self, *, is_short_of_memory: bool = False) -> None:
        super().__init__()
        self.asked: list[tuple[str, ...]] = []
        self._is_short_of_memory = is_short_of_memory

    def answer(
        self, images: Sequence[ScorableImage], pack: PromptPack, *, pixel_budget: int | None = None
    ) -> list[Answers]:
        """See `Engine`."""
        self.asked.append(tuple(question.id for question in pack.questions))
        answers = super().answer(images, pack, pixel_budget=pixel_budget)
        if self._is_short_of_memory and len(pack.questions) < len(PACK.questions):
            return [replace(each, fingerprint="fewer-pixels") for each in answers]
        return answers


def an_earlier_result(engine: ScriptedEngine, *questions: str) -> Result:
    """Return what an earlier attempt answered, each time certain of the first label."""
    answers = Answers.of(
        *(
            Answer.from_probabilities(
                each.id,
                {label: float(at == 0) for at, label in enumerate(each.label_names)},
                values=each.values,
            )
            for each in PACK.questions
            if not questions or each.id in questions
        ),
        fingerprint=engine.fingerprint(PACK),
    )
    return a_result("1-first", answers=answers.to_document(), fingerprint=answers.fingerprint)


def a_world(*results: Result) -> FakePlatform:
    """Return a world with the house's policy and one row's results."""
    world = a_fake_platform()
    publish_policy(world.platform(), shipped_policy().canonical)
    for result in results:
        world.images.put_result(a_row().key, result)
    return world


def fetched(world: FakePlatform, job: Job) -> Scorable:
    """Return the image of a job, as the fetching thread hands it over."""
    world.images.put_facts(job.key, some_facts())
    world.objects.add(job.previews_in, previews_of(job.key).model_key, a_preview())
    image = from_previews(world.platform(), job)
    assert isinstance(image, Scorable)
    return image


def scored(world: FakePlatform, engine: ScriptedEngine, *rows: ImageRow) -> list[Result]:
    """Fetch the rows' images, score them in one batch and return their results."""
    batch = [Candidate(receipt=str(at), job=a_job(row), row=row) for at, row in enumerate(rows)]
    platform = world.platform()
    images = [fetched(world, each.job) for each in batch]
    reads = world.calls.count("images.results")
    event = score_batch(
        platform,
        Scorer(engine=engine, pack=PACK),
        PolicyInForce(platform),
        batch,
        images,
        scored_by="headless:test",
    )
    assert isinstance(event, BatchScored)
    assert world.calls.count("images.results") == reads, "the engine's thread waits for no store"
    outcomes = [event.outcomes[each.receipt] for each in batch]
    return [outcome.result for outcome in outcomes if isinstance(outcome, Completed)]


def a_replayed_row(questions: tuple[str, ...] = ASKED) -> ImageRow:
    """Return a row that waits for some questions anew and has a result to carry the rest over from."""
    return a_row(generation=2, questions=questions, result_id="1-first")


def test_partial_replay_when_the_fingerprint_matches_asks_those_questions_only() -> None:
    """What is carried over is what was answered; what is new is new; together they are whole, in order."""
    engine = Examined()
    earlier = an_earlier_result(engine)

    (result,) = scored(a_world(earlier), engine, a_replayed_row())

    assert engine.asked == [ASKED]
    assert list(result.answers) == [question.id for question in PACK.questions]
    assert {name: result.answers[name] for name in KEPT} == {name: earlier.answers[name] for name in KEPT}
    assert result.answers["sharpness"] != earlier.answers["sharpness"]
    assert (result.fingerprint, result.prompt_pack) == (earlier.fingerprint, PACK.id)


@pytest.mark.parametrize(
    "change",
    [{"fingerprint": "other"}, {"result_id": "0-older"}, {"answers": {"sharpness": {"probabilities": 3}}}],
)
def test_partial_replay_when_nothing_comparable_is_there_asks_everything(change: dict[str, object]) -> None:
    """Another engine's answers, a result that is gone, or one that cannot be read: all is asked anew."""
    engine = Examined()
    earlier = replace(an_earlier_result(engine), **change)  # type: ignore[arg-type]  # any field

    scored(a_world(earlier), engine, a_replayed_row())

    assert engine.asked == [tuple(question.id for question in PACK.questions)]


def test_partial_replay_when_an_answer_was_never_given_asks_it_too() -> None:
    """The result is whole, whatever the earlier one lacked."""
    engine = Examined()

    (result,) = scored(a_world(an_earlier_result(engine, "sharpness", "exposure")), engine, a_replayed_row())

    assert set(engine.asked[0]) == {question.id for question in PACK.questions} - {"exposure"}
    assert set(result.answers) == {question.id for question in PACK.questions}


def test_partial_replay_when_no_question_of_the_pack_is_meant_asks_nothing() -> None:
    """Questions that nobody asks any more cost no GPU."""
    engine = Examined()
    earlier = an_earlier_result(engine)

    (result,) = scored(a_world(earlier), engine, a_replayed_row(("gone",)))

    assert engine.asked == []
    assert result.answers == earlier.answers


def test_partial_replay_when_new_answers_come_from_fewer_pixels_asks_everything_again() -> None:
    """Answers of two fingerprints are never mixed in one result."""
    engine = Examined(is_short_of_memory=True)

    (result,) = scored(a_world(an_earlier_result(engine)), engine, a_replayed_row())

    assert [len(asked) for asked in engine.asked] == [len(ASKED), len(PACK.questions)]
    assert result.fingerprint == engine.fingerprint(PACK)
    assert result.answers == scored(a_world(), engine, a_row())[0].answers


def test_batch_when_whole_and_partial_images_are_mixed_answers_each_as_it_needs() -> None:
    """Images that lack the same go together, and the order of the batch stays."""
    engine = Examined()
    earlier = an_earlier_result(engine)

    results = scored(a_world(earlier), engine, a_row(2), a_replayed_row(), a_row(3))

    assert engine.batches == [2, 1]
    assert [result.generation for result in results] == [1, 2, 1]
    assert results[1].answers[KEPT[0]] == earlier.answers[KEPT[0]]
    assert results[0].answers[KEPT[0]] == results[2].answers[KEPT[0]] != earlier.answers[KEPT[0]]


def test_earlier_results_when_nobody_needs_them_are_not_read() -> None:
    """A whole replay, and a first attempt, cost no query."""
    world = a_world(an_earlier_result(Examined()))

    assert fetched(world, a_job(a_row(generation=2, result_id="1-first"))).earlier == ()
    assert world.calls.count("images.results") == 0


def test_earlier_results_when_they_cannot_be_read_end_the_fetch() -> None:
    """Truth that does not answer is a dependency that failed, no fault of the image: its job comes back."""
    world = a_world()
    world.calls.fail("images.results", UnavailableError("away"))
    events: list[Event] = []
    job = a_job(a_replayed_row())
    world.images.put_facts(job.key, some_facts())
    world.objects.add(job.previews_in, previews_of(job.key).model_key, a_preview())
    performer = Performer(
        world.platform(),
        scored_by="headless:test",
        bucket_of=ScriptedEngine().bucket_of,
        launch=lambda _effect, perform: perform(),
        feed=events.append,
        is_held=lambda _receipt: True,
        on_defect=lambda error: pytest.fail(repr(error)),
    )

    performer.start(Fetch(receipt="r", job=job, receive_count=1))

    assert events == [DependencyFailed(dependency=Dependency.OBJECTS, receipts=("r",), detail="away")]
    assert not performer.images


def test_embedded_engine_when_asked_in_part_answers_as_it_does_in_whole() -> None:
    """The other questions of a pack change neither an answer nor its fingerprint."""
    engine = cpu_engine(EngineOptions())
    image = scorable(a_preview(), technical=some_facts().technical, exif=None).image

    (whole,) = engine.answer([image], PACK)
    (part,) = engine.answer([image], PACK.without(KEPT))

    assert set(part.by_question) == set(ASKED)
    assert part["sharpness"] == whole["sharpness"]
    assert part.fingerprint == whole.fingerprint
