#!/bin/bash -eu
# Makes of each harness a fuzzer in $OUT, with its seeds, dictionary and options; run in the service's image.
cd "$SRC/daxfuzz"
pip3 install .

dictionary=$(mktemp)
python3 -m daxfuzz.engines.corpus.dictionary > "$dictionary"
seeds=$(mktemp -d)
python3 -m daxfuzz corpus convert corpus/bugs corpus/seeds/*.dax -o "$seeds"

for harness in harnesses/*_fuzzer.py; do
    name=$(basename -s .py "$harness")
    # Protocols, repairs and bugs are found by listing packages, which PyInstaller does not see.
    compile_python_fuzzer "$harness" --collect-submodules daxfuzz
    zip -q -j -r "$OUT/${name}_seed_corpus.zip" "$seeds"
    cp "$dictionary" "$OUT/$name.dict"
    cp .clusterfuzzlite/fuzzer.options "$OUT/$name.options"
done
