"""Where what was decided goes: LSL outlets, the journal, clips. A sink that fails never stops detection."""
