"""Language models in which chosen MLP neurons follow chosen features of the text: drawn, trained, certified, measured."""
