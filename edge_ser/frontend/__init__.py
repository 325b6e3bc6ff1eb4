"""The MicroFrontend: int16 samples in, uint16 log-mel features out, in integers only.

:mod:`~edge_ser.frontend.tables` makes the integers once from a spec;
:mod:`~edge_ser.frontend.reference` is the algorithm over those integers in NumPy, the specification in code;
:mod:`~edge_ser.frontend.stream` takes the samples in chunks;
:mod:`~edge_ser.frontend.native` is the same in C, from the files that run on the board;
:mod:`~edge_ser.frontend.engine` takes the C one where it was built, else NumPy's;
:mod:`~edge_ser.frontend.quantize` turns features into the nets' uint8 input.
"""
