"""The HR file, uploaded in the agents' area: a preview first, then the import, both by the worker (design §8).

`receiving` takes the file in and does what agents ask for, `working` does the worker's part, `doubts` tells what is out
of the ordinary about a file. The content is kept for a day at most, the report for as long as the settings say.
"""
