"""Layouts of which there is no audio here, on small trees in the official arrangement with its traps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.registry import layout, layouts, missing_files, read_clips
from edge_ser.corpora.tree import files_below
from edge_ser.errors import InputError, MissingError
from edge_ser.spec import SILENCE

Plant = Callable[..., Path]


def by_stem(clips: list[Clip]) -> dict[str, Clip]:
    return {clip.path.stem: clip for clip in clips}


def test_names_are_unique_and_shippable_ones_are_those_with_such_a_licence() -> None:
    names = [form.name for form in layouts()]
    assert len(set(names)) == len(names)
    shippable = {form.name for form in layouts() if form.shippable and not form.name.startswith("synthetic")}
    assert shippable == {"crema-d", "speech-commands", "librispeech", "musan", "esc-10"}
    assert not any("NC" in form.licence or "signed" in form.licence for form in layouts() if form.shippable)


@pytest.mark.parametrize(("typed", "meant"), [("cremad", "crema-d"), ("emo_db", "emo-db"), ("TESS", "tess")])
def test_unknown_name_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"did you mean '{meant}'.*musan"):
        layout(typed)


def test_no_folder_and_no_clip(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such folder"):
        read_clips("tess", tmp_path / "nowhere")
    with pytest.raises(InputError, match="an empty folder"):
        read_clips("tess", tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(
        InputError, match=r"expected OAF_angry/OAF_back_angry\.wav; found no audio, only notes\.txt"
    ):
        read_clips("tess", tmp_path)
    (tmp_path / "song.mp3").touch()
    with pytest.raises(InputError, match=r"1 audio files of other names, such as song\.mp3"):
        read_clips("tess", tmp_path)
    with pytest.raises(InputError, match="is a file"):
        read_clips("tess", tmp_path / "song.mp3")


def test_mp3_is_never_read(plant: Plant) -> None:
    root = plant("wav/03a01Fa.mp3", "wav/03a01Wa.WAV")
    assert [clip.path.name for clip in read_clips("emo-db", root)] == ["03a01Wa.WAV"]


@pytest.mark.parametrize(
    "names",
    [
        ("AudioWAV/1001_IEO_ANG_HI.wav",),
        ("CREMA-D-master/AudioWAV/1001_IEO_ANG_HI.flac",),
        ("1001_ieo_ang_hi.WAV",),
        ("AudioWAV/1001_IEO_ANG_HI.flac", "AudioWAV/1001_IEO_ANG_HI.wav"),  # the same recording twice
        ("AudioWAV/1001_IEO_ANG_HI.wav", "AudioWAV/._1001_IEO_ANG_HI.wav", "AudioMP3/1001_IEO_ANG_HI.mp3"),
    ],
)
def test_crema_d_however_unpacked(plant: Plant, names: tuple[str, ...]) -> None:
    (clip,) = read_clips("crema-d", plant(*names))
    assert (clip.speaker, clip.emotion, clip.text) == ("1001", "anger", "It's eleven o'clock.")


def test_crema_d_flaws_of_the_release(plant: Plant) -> None:
    clips = by_stem(
        read_clips("crema-d", plant("AudioWAV/1076_MTI_SAD_XX.wav", "AudioWAV/1040_ITH_SAD_X.wav"))
    )
    assert clips["1076_MTI_SAD_XX"].emotion is None  # all zero
    assert clips["1040_ITH_SAD_X"].emotion == "sadness"


def test_crema_d_counts_of_votes_win_over_the_winner(plant: Plant) -> None:
    root = plant("AudioWAV/1001_IEO_ANG_MD.wav", "processedResults/x", "VideoDemographics.csv")
    (root / "VideoDemographics.csv").write_text(
        "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n"
    )
    table = root / "processedResults" / "summaryTable.csv"
    table.write_text('"","FileName","VoiceVote"\n"9","1001_IEO_ANG_MD","A:D"\n')
    (clip,) = read_clips("crema-d", root)
    assert clip.soft_label == (("anger", 0.5), ("disgust", 0.5))
    # A line of the official table, then the votes on the face, which must not count.
    (root / "processedResults" / "tabulatedVotes.csv").write_text(
        '"","A","D","F","H","N","S","fileName"\n'
        '"100009",5,5,0,0,1,1,"1001_IEO_ANG_MD"\n"200009",0,0,9,0,0,0,"1001_IEO_ANG_MD"\n'
    )
    (clip,) = read_clips("crema-d", root)
    assert dict(clip.soft_label or ()) == pytest.approx(
        {"anger": 5 / 12, "disgust": 5 / 12, "neutral": 1 / 12, "sadness": 1 / 12}
    )
    assert clip.sex == "m"


def test_ravdess_speech_only_and_missing_takes(plant: Plant) -> None:
    root = plant("Actor_02/03-01-08-02-02-01-02.wav", "Actor_02/03-02-05-01-01-01-02.wav")
    (clip,) = read_clips("ravdess", root)
    assert (clip.emotion, clip.sex, clip.text) == ("surprise", "f", "Dogs are sitting by the door.")
    assert len(missing_files(layout("ravdess"), root, [clip])) == 59


def test_savee_both_arrangements(plant: Plant) -> None:
    names = ("AudioData/DC/sa01.wav", "AudioData/KL/su15.wav", "AudioData/JK/a03.wav", "AudioData/JE/n30.wav")
    clips = read_clips("savee", plant(*names))
    assert {(clip.speaker, clip.emotion) for clip in clips} == {
        ("DC", "sadness"),
        ("KL", "surprise"),
        ("JK", "anger"),
        ("JE", "neutral"),
    }
    clips = read_clips("savee", plant("ALL/DC_sa01.wav", "ALL/DC_h02.wav"))  # beside the first arrangement
    assert len(clips) == 5


def test_tess_odd_folders_and_the_misnamed_file(plant: Plant) -> None:
    root = plant(
        "OAF_neutral/OA_bite_neutral.wav",
        "OAF_Pleasant_surprise/OAF_back_ps.wav",
        "YAF_pleasant_surprised/YAF_back_ps.wav",
        "YAF_fear/YAF_back_fear.wav",
        "TESS copy/OAF_Pleasant_surprise/OAF_back_ps.wav",
    )
    clips = read_clips("tess", root)
    assert sorted((clip.speaker, clip.emotion, clip.text) for clip in clips) == [
        ("OAF", "neutral", "Say the word bite."),
        ("OAF", "surprise", "Say the word back."),
        ("YAF", "fear", "Say the word back."),
        ("YAF", "surprise", "Say the word back."),
    ]


def test_emovo(plant: Plant) -> None:
    codes = ("dis", "gio", "neu", "pau", "rab", "sor", "tri")
    clips = by_stem(read_clips("emovo", plant(*(f"EMOVO/m2/{code}-m2-b1.wav" for code in codes))))
    meanings = ("disgust", "happiness", "neutral", "fear", "anger", "surprise", "sadness")
    assert [clips[f"{code}-m2-b1"].emotion for code in codes] == list(meanings)
    assert {(clip.speaker, clip.sex) for clip in clips.values()} == {("m2", "m")}


def test_emospeech_spaces_in_folders_and_fields(plant: Plant) -> None:
    unknown = "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"
    root = plant(
        f"Near Lake/help-glass break-None-20190701193438-{unknown}.wav",
        f"Metro/background-gunshots-angry-20190701193439-{unknown}.wav",
        "webservice/bacho-safe-fearful-1563001116773-02dc401328f05cc34f5273dcfbcafa1e912583c6b18235a8c647195a.wav",
    )
    clips = {clip.path.parent.name: clip for clip in read_clips("emospeech", root)}
    assert (clips["Near Lake"].keyword, clips["Near Lake"].emotion) == ("help", None)
    assert (clips["Metro"].keyword, clips["Metro"].text) == (SILENCE, None)
    assert clips["Near Lake"].speaker == clips["Metro"].speaker != clips["webservice"].speaker
    assert (clips["webservice"].emotion, clips["webservice"].language) == ("fear", "hi")


def test_turev_db(plant: Plant) -> None:
    root = plant(
        "Sound Source/Angry/1157_kz_açık.wav",
        "Sound Source/Calm/1157_sk_zor gün.wav",
        "Sound Source/Happy/6783_mt_acik.wav",
        "Sound Source/Sad/6783_hl_acik.wav",
    )
    clips = read_clips("turev-db", root)
    assert [(clip.emotion, clip.speaker, clip.text) for clip in clips] == [
        ("anger", "1157", "açık"),
        ("calm", "1157", "zor gün"),
        ("happiness", "6783", "acik"),
        ("sadness", "6783", "acik"),
    ]


def test_shemo(plant: Plant) -> None:
    root = plant("female/F03S02.wav", "male/M12W01.wav")
    (root / "transcript").mkdir()
    (root / "transcript" / "F03S02.ort").write_text("سلام\n", encoding="utf-8")
    female, male = read_clips("shemo", root)
    assert (female.speaker, female.sex, female.emotion, female.text) == ("F03", "f", "sadness", "سلام")
    assert (male.speaker, male.emotion, male.text) == ("M12", "surprise", None)


IEMOCAP_LABELS = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\txxx\t[2.5000, 3.0000, 1.5000]
C-E2:\tNeutral;\t()

[14.8872 - 18.0175]\tSes01F_impro01_F002\texc\t[4.5000, 3.5000, 2.0000]
"""


def iemocap(plant: Plant) -> Path:
    wav = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_"
    root = plant(
        f"{wav}F000.wav",
        f"{wav}M001.wav",
        f"{wav}F099.wav",  # has no label
        "Session1/dialog/wav/Ses01F_impro01.wav",
        "Session1/dialog/EmoEvaluation/Attribute/Ses01F_impro01_atr.txt",
        "Session1/dialog/transcriptions/Ses01F_impro01.txt",
    )
    evaluation = root / "Session1" / "dialog" / "EmoEvaluation"
    (evaluation / "Ses01F_impro01.txt").write_text(IEMOCAP_LABELS)
    (evaluation / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07[")
    (evaluation / "Attribute" / "Ses01F_impro01_atr.txt").write_text("[not a summary]\n")
    (root / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt").write_text(
        "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\nM: [LAUGHTER]\n"
    )
    return root


def test_iemocap(plant: Plant) -> None:
    root = iemocap(plant)
    first, second = read_clips("iemocap", root)
    assert (first.emotion, first.vad, first.text) == ("neutral", (2.5, 2.5, 2.5), "Excuse me.")
    # The prefix says F for both: who speaks is in the last field.
    assert (first.speaker, first.sex, second.speaker, second.sex) == ("Ses01F", "f", "Ses01M", "m")
    assert (second.emotion, second.part) == (None, "1")
    assert missing_files(layout("iemocap"), root, [first, second]) == ["Ses01F_impro01_F002"]


def test_iemocap_broken_line(plant: Plant) -> None:
    root = iemocap(plant)
    path = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    path.write_text(IEMOCAP_LABELS.replace("\tneu\t", "\tglad\t"))
    with pytest.raises(InputError, match=r"Ses01F_impro01\.txt: line 3 .*neu, hap, sad"):
        read_clips("iemocap", root)


def test_msp_improv(plant: Plant) -> None:
    folder = "Audio/session1/S01A/S/MSP-IMPROV-"
    root = plant(
        f"{folder}S01A-F01-S-FM01.wav", f"{folder}S01A-M01-S-FM02.wav", f"{folder}S01A-M01-S-FM03.wav"
    )
    (root / "Evalution.txt").write_text(
        "UTD-IMPROV-S01A-F01-S-FM01.avi; N; A:3.000000; V:3.500000; D:2.000000 ; N:3.4;\n"
        "WORKER_001; Neutral; Neutral; A:3.0; V:3.0; D:3.0;\n\n"
        "UTD-IMPROV-S01A-M01-S-FM02.avi; X; A:3.0; V:3.0; D:NaN ; N:3.1;\n"
        "UTD-IMPROV-S01A-M01-T-FM09.avi; H; A:3.0; V:3.0; D:3.0;\n"
    )
    first, second = read_clips("msp-improv", root)
    assert (first.speaker, first.sex, first.emotion, first.part) == ("F01", "f", "neutral", "1")
    assert first.vad == (3.5, 3.0, 2.0)
    assert (second.emotion, second.vad) == (None, None)
    (root / "Evalution.txt").write_text("UTD-IMPROV-S01A-F01-S-FM01.avi, N\n")
    with pytest.raises(InputError, match=r"Evalution\.txt: line 1"):
        read_clips("msp-improv", root)


def test_speech_commands_lists_and_background(plant: Plant, write_audio: Callable[..., None]) -> None:
    root = plant("yes/0a7c2a8d_nohash_0.wav", "yes/0a7c2a8d_nohash_1.wav", "no/0a7c2a8d_nohash_0.wav")
    write_audio(root / "_background_noise_" / "doing_the_dishes.wav", seconds=20.5)
    (root / "testing_list.txt").write_text(
        "yes/0a7c2a8d_nohash_0.wav\nno/0a7c2a8d_nohash_7.wav\nup/11_nohash_0.wav\n"
    )
    (root / "validation_list.txt").write_text("")
    clips = read_clips("speech-commands", root)
    words = {clip.path.relative_to(root).as_posix(): clip.part for clip in clips if clip.keyword != SILENCE}
    assert words == {
        "yes/0a7c2a8d_nohash_0.wav": "test",
        "yes/0a7c2a8d_nohash_1.wav": "train",
        "no/0a7c2a8d_nohash_0.wav": "train",
    }
    noise = [clip for clip in clips if clip.keyword == SILENCE]
    assert [clip.part for clip in noise] == ["train"] * 16 + ["validation"] * 2 + ["test"] * 2
    assert [clip.start_s for clip in noise] == list(range(20))
    assert all(clip.end_s == clip.start_s + 1 and not clip.speaker for clip in noise)
    # "up" has no folder (a copy of some words only), "no" has.
    assert missing_files(layout("speech-commands"), root, clips) == ["no/0a7c2a8d_nohash_7"]


TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0.0
xmax = 2.09
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0.0
        xmax = 2.09
        intervals: size = 3
        intervals [1]:
            xmin = 0.000
            xmax = 0.490
            text = ""
        intervals [2]:
            xmin = 0.490
            xmax = 0.890
            text = "go"
        intervals [3]:
            xmin = 0.890
            xmax = 2.09
            text = "<unk>"
    item [2]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0.0
        xmax = 2.09
        intervals: size = 1
        intervals [1]:
            xmin = 0.490
            xmax = 0.590
            text = "G"
"""


def test_librispeech_both_alignment_formats(plant: Plant) -> None:
    chapter = "LibriSpeech/dev-clean/84/121123"
    root = plant(*(f"{chapter}/84-121123-000{number}.flac" for number in range(3)))
    (root / chapter / "84-121123.alignment.txt").write_text(
        '84-121123-0000 ",NEVER,READ," "0.1,0.2,0.3,0.4" \n'
        '84-121123-0001 ",BUT,IN,," "0.270,0.420,0.530,0.7,0.8" \n'
    )
    (root / chapter / "84-121123-0000.TextGrid").write_text(TEXTGRID)
    (root / "LibriSpeech" / "SPEAKERS.TXT").write_text(
        ";ID  |SEX| SUBSET |MINUTES| NAME\n84   | F | dev-clean | 8 | C\n"
    )
    clips = read_clips("librispeech", root)
    assert [(clip.path.stem[-1], clip.keyword, clip.start_s, clip.end_s) for clip in clips] == [
        ("0", "go", 0.49, 0.89),
        ("1", "but", 0.27, 0.42),
        ("1", "in", 0.42, 0.53),
    ]
    assert {(clip.speaker, clip.sex, clip.part) for clip in clips} == {("84", "f", "validation")}


def test_librispeech_ctm(plant: Plant) -> None:
    root = plant(*(f"test-clean/61/70968/61-70968-000{number}.flac" for number in range(3)))
    (root / "alignments").mkdir()
    (root / "alignments" / "test-clean.ctm").write_text(
        ";; made by an aligner\n"
        "61-70968-0001 1 0.53 0.17 IN 0.98\n61-70968-0000 A 1.07 0.30 <eps>\n\n61-70968-0001 1 0.10 0.43 BUT\n"
        "61-70968-0009 1 0.10 0.43 ABSENT\n"
    )
    (root / "test-clean/61/70968/61-70968.alignment.txt").write_text('61-70968-0002 ",GO," "0.1,0.2,0.3"\n')
    assert [
        (clip.path.stem[-1], clip.keyword, clip.start_s, clip.end_s, clip.part)
        for clip in read_clips("librispeech", root)
    ] == [
        ("1", "but", 0.1, 0.53, "test"),
        ("1", "in", 0.53, 0.7, "test"),
        ("2", "go", 0.1, 0.2, "test"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "61-70968-0000 1 0.1 0.2",
        "61-70968-0000 1 -0.1 0.2 GO",
        "61-70968-0000 1 nan 0.2 GO",
        "61-70968-0000 1 0.1 1e9 GO",
        "chapter 1 0.1 0.2 GO",
        f"61-70968-0000 1 {'9' * 400} 0.2 GO",
    ],
)
def test_librispeech_ctm_that_is_none(plant: Plant, line: str) -> None:
    root = plant("test-clean/61/70968/61-70968-0000.flac")
    (root / "a.ctm").write_text(line)
    with pytest.raises(InputError, match=r"a\.ctm: line 1 is .*expected an utterance, a channel"):
        read_clips("librispeech", root)


def test_librispeech_without_and_with_broken_alignment(plant: Plant) -> None:
    root = plant("dev-clean/84/121123/84-121123-0000.flac")
    with pytest.raises(InputError, match=r"alignment\.txt"):
        read_clips("librispeech", root)
    table = root / "dev-clean/84/121123/84-121123.alignment.txt"
    for broken in (
        '84-121123-0000 ",GO," "0.49,0.89"',
        '84-121123-0000 ",GO" "0.9,0.2"',
        "84-121123-0000 GO 0.4",
    ):
        table.write_text(broken)
        with pytest.raises(InputError, match=r"line 1 is .*expected an utterance"):
            read_clips("librispeech", root)
    grid = root / "dev-clean/84/121123/84-121123-0000.TextGrid"
    grid.write_text("nothing")
    with pytest.raises(InputError, match='no tier named "words"'):
        read_clips("librispeech", root)


def test_esc_50_and_its_subset(plant: Plant) -> None:
    root = plant("ESC-50-master/audio/1-100032-A-0.wav", "ESC-50-master/audio/5-9032-A-14.wav")
    with pytest.raises(InputError, match=r"meta/esc50\.csv"):
        read_clips("esc-50", root)
    (root / "ESC-50-master" / "meta").mkdir()
    (root / "ESC-50-master" / "meta" / "esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100032-A-0.wav,1,0,dog,True,100032,A\n5-9032-A-14.wav,5,14,chirping_birds,False,9032,A\n"
    )
    assert [(clip.text, clip.part, clip.speaker) for clip in read_clips("esc-50", root)] == [
        ("dog", "1", ""),
        ("chirping birds", "5", ""),
    ]
    assert [clip.text for clip in read_clips("esc-10", root)] == ["dog"]


def test_esc_10_ogg(plant: Plant) -> None:
    clips = read_clips("esc-10", plant("001 - Dog bark/1-30226-A.ogg", "002 - Rain/5-181766-A.OGG"))
    assert [(clip.text, clip.part) for clip in clips] == [("Dog bark", "1"), ("Rain", "5")]


def test_musan(plant: Plant) -> None:
    root = plant(
        "musan/noise/free-sound/noise-free-sound-0000.wav",
        "musan/noise/free-sound/ANNOTATIONS",
        "musan/speech/us-gov/speech-us-gov-0001.wav",
    )
    assert [clip.text for clip in read_clips("musan", root)] == ["noise", "speech"]


def test_linked_folders_are_followed_once(plant: Plant, tmp_path: Path) -> None:
    root = plant("real/f1/gio-f1-b1.wav")
    (root / "corpus").mkdir()
    (root / "corpus" / "f1").symlink_to(root / "real" / "f1")
    (root / "corpus" / "loop").symlink_to(root / "corpus")
    assert len(read_clips("emovo", root / "corpus")) == 1
    assert files_below(root / "corpus", (".wav",)) == [root / "corpus" / "f1" / "gio-f1-b1.wav"]
