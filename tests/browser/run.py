"""run.py [NAME ...]: the tests with a browser: all, or those whose file name contains one of these words."""

import importlib
import sys
from pathlib import Path

import lab

HERE = Path(__file__).resolve().parent

names = sorted(file.stem for file in HERE.glob("browser_*.py"))
wanted = [name for name in names if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
lab.run([importlib.import_module(name) for name in wanted])
