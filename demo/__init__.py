"""The offline demo: its settings, and `demo.world`, which draws what it runs on."""
