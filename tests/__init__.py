"""The tests of nose2_aio, run by nose2 with nose2_aio itself."""
