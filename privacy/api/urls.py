"""The addresses of automatic answers in the REST API."""

from django.urls import path

from privacy.api import answers, batches, budgets, code, promises, questions, sampled_mocks, top_ups

urlpatterns = [
    path("budgets/", budgets.Budgets.as_view(), name="budgets"),
    path("budgets/<uuid:pk>/", budgets.Budget.as_view(), name="budget"),
    path("budgets/<uuid:pk>/close/", budgets.BudgetClose.as_view(), name="budget_close"),
    path("budgets/<uuid:pk>/price/", questions.BudgetPrice.as_view(), name="budget_price"),
    path("budgets/<uuid:pk>/trial/", questions.BudgetTrial.as_view(), name="budget_trial"),
    path("budgets/<uuid:pk>/answers/", questions.BudgetAnswers.as_view(), name="budget_answers"),
    path("budgets/<uuid:pk>/batches/", batches.BudgetBatches.as_view(), name="budget_batches"),
    path("budgets/<uuid:pk>/batches/price/", batches.BudgetBatchPrice.as_view(), name="budget_batch_price"),
    path("batches/<uuid:pk>/", batches.Batch.as_view(), name="batch"),
    path("budgets/<uuid:pk>/top-ups/", top_ups.BudgetTopUps.as_view(), name="budget_top_ups"),
    path("budgets/<uuid:pk>/code-trials/", code.BudgetCodeTrials.as_view(), name="budget_code_trials"),
    path("code-trials/<uuid:pk>/", code.CodeTrial.as_view(), name="code_trial"),
    path("code-trials/<uuid:pk>/stop/", code.CodeTrialStop.as_view(), name="code_trial_stop"),
    path("code-trials/<uuid:pk>/answers/", code.CodeTrialAnswers.as_view(), name="code_trial_answers"),
    path("answers/", answers.Answers.as_view(), name="answers"),
    path("answers/<uuid:pk>/", answers.Answer.as_view(), name="answer"),
    path("answers/<uuid:pk>/files/<slug:form>/", answers.AnswerFile.as_view(), name="answer_file"),
    path("answers/<uuid:pk>/receipt/", answers.AnswerReceipt.as_view(), name="answer_receipt"),
    path("answers/<uuid:pk>/rows/", answers.AnswerRows.as_view(), name="answer_rows"),
    path("answers/<uuid:pk>/withdraw/", code.AnswerWithdraw.as_view(), name="answer_withdraw"),
    path("top-ups/", top_ups.TopUps.as_view(), name="top_ups"),
    path("top-ups/<uuid:pk>/", top_ups.TopUp.as_view(), name="top_up"),
    path("top-ups/<uuid:pk>/decide/", top_ups.TopUpDecide.as_view(), name="top_up_decide"),
    path("datasets/<uuid:pk>/promise/", promises.DatasetPromise.as_view(), name="dataset_promise"),
    path("datasets/<uuid:pk>/budgets/", budgets.DatasetBudgets.as_view(), name="dataset_budgets"),
    path("datasets/<uuid:pk>/rows/", promises.DatasetRows.as_view(), name="dataset_rows"),
    path("datasets/<uuid:pk>/ledger/", promises.DatasetLedger.as_view(), name="dataset_ledger"),
    path("datasets/<uuid:pk>/sampled-mock/", sampled_mocks.SampledMock.as_view(), name="sampled_mock"),
    path(
        "datasets/<uuid:pk>/sampled-mock/price/",
        sampled_mocks.SampledMockPrice.as_view(),
        name="sampled_mock_price",
    ),
    path(
        "datasets/<uuid:pk>/sampled-mock/replace/",
        sampled_mocks.SampledMockReplace.as_view(),
        name="sampled_mock_replace",
    ),
    path(
        "datasets/<uuid:pk>/sampled-mock/undo/",
        sampled_mocks.SampledMockUndo.as_view(),
        name="sampled_mock_undo",
    ),
]
