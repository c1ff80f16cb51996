"""``python -m daxfuzz``."""

from daxfuzz.cli import main

if __name__ == "__main__":
    main()
