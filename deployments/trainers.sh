#!/bin/sh
# trainers.sh [TRAINER...]: makes an environment for each trainer that tests/trainers/ asks; without names, for all.
# They stand in TRAJMILL_TRAINER_VENVS, else in .trainers: 1.1 to 1.6 GB each, most of it torch. One that is there stays.
# PYTHON names the interpreter. torch comes as its CPU build, from pip's own index or links or from TORCH_INDEX; without
# a way there, as whatever pip's index holds, which may be several GB of CUDA.
set -eu
python=${PYTHON:-python3}
venvs=${TRAJMILL_TRAINER_VENVS:-.trainers}
torch_index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
all="trl llamafactory axolotl ms-swift fastchat"

# What a trainer's reader imports; the rest of what it declares (CUDA kernels, web pages, clouds) is left out.
requirements() {
    case $1 in
    trl) echo "trl==1.16.0 transformers==5.24.0 renderers==0.1.12 httpx" ;;
    llamafactory) echo "torchaudio transformers>=4.55,<5 datasets==4.0.0 accelerate==1.11.0 peft==0.18.1 trl==0.24.0
        tyro<0.9 einops fire omegaconf pandas pillow protobuf pydantic pyyaml scipy sentencepiece tiktoken" ;;
    axolotl) echo "transformers==5.24.0 datasets peft accelerate addict fire pydantic pyyaml requests einops art colorama
        python-dotenv sentencepiece" ;;
    ms-swift) echo "ms-swift==4.6.0" ;;
    fastchat) echo "transformers>=4.50,<5 accelerate psutil requests sentencepiece protobuf" ;;
    *) echo "trajmill: there is no environment for $1; there are: $all" >&2 && exit 2 ;;
    esac
}
alone() {
    case $1 in
    llamafactory) echo "llamafactory==0.9.5" ;;
    axolotl) echo "axolotl==0.21.0" ;;
    fastchat) echo "fschat==0.2.36" ;;
    esac
}

# LLaMA-Factory imports torchaudio, whose PyPI build wants CUDA's libraries. Where those are not, its compiled part is
# taken away, without which torchaudio can be imported and decodes no sound.
spare_sound() {
    "$venvs/$1/bin/python" -c "import torchaudio" 2>/dev/null ||
        rm -f "$venvs/$1"/lib/python*/site-packages/torchaudio/lib/_torchaudio.so
}

# Megatron-LM's tokenizer of conversations, a judge beside the trainers, is one file of a wheel for later Pythons: it is
# unpacked beside TRL's packages and needs transformers alone.
lay_megatron() {
    [ ! -d "$venvs/trl/megatron-core" ] || return 0
    wheels=$(mktemp -d)
    "$venvs/trl/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --python-version 3.12 --dest "$wheels" megatron-core==0.19.2
    "$venvs/trl/bin/python" -m zipfile -e "$wheels"/megatron_core-*.whl "$venvs/trl/megatron-core"
    rm -r "$wheels"
}

# Says whether an environment has all that is wanted, whoever made it; no index is asked.
is_complete() {
    # shellcheck disable=SC2046,SC2086 # lists of words
    [ -x "$venvs/$1/bin/python" ] && $pip --no-index $wanted &&
        { [ -z "$(alone "$1")" ] || $pip --no-index --no-deps --ignore-requires-python $(alone "$1"); }
} 2>/dev/null

set_up() {
    echo "Setting up $venvs/$1 ..." >&2
    "$python" -m venv "$venvs/$1"
    $pip 'torch==2.13.0+cpu' 2>/dev/null || $pip --index-url "$torch_index" 'torch>=2.8,<3' 2>/dev/null || $pip 'torch>=2.8,<3'
    # shellcheck disable=SC2086 # a list of words
    $pip $wanted
    # axolotl wants Python 3.12; the reader that is tried runs on 3.11 as well.
    # shellcheck disable=SC2046
    [ -z "$(alone "$1")" ] || $pip --no-deps --ignore-requires-python $(alone "$1")
}

for trainer in ${*:-$all}; do
    wanted=$(requirements "$trainer")
    stamp=$(printf '%s' "$wanted $(alone "$trainer")" | cksum)
    [ "$stamp" = "$(cat "$venvs/$trainer/.ready" 2>/dev/null)" ] && continue
    pip="$venvs/$trainer/bin/python -m pip install --quiet --disable-pip-version-check"
    is_complete "$trainer" || set_up "$trainer"
    [ "$trainer" != llamafactory ] || spare_sound "$trainer"
    [ "$trainer" != trl ] || lay_megatron
    echo "$stamp" >"$venvs/$trainer/.ready"
done
