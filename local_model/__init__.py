"""Real completions on this computer's own processor: llama.cpp in process, and the small weights it needs.

`models` says which weights are known, `fetch` brings them, `probe` asks a child process whether they run here,
`engine` completes text, `sentences` groups its pieces. Importing the package costs nothing: `xllamacpp` is only
imported when an engine starts.
"""
