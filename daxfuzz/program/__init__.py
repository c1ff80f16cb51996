"""Operations, programs, the .dax text form, the byte form and the generator.

May import: kernel, sim. Knows no protocol by name, no flaw and no bug.
"""
