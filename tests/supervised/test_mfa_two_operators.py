"""MFA without Human-in-the-loop: a person, here the REST API, puts the code into a Variable. Runs on any Airflow."""

from __future__ import annotations

from dev.airflow_harness import AirflowHarness
from dev.local_bill import LocalBill
from dev.processes import wait_until

DAG_ID, VARIABLE = "bill_mfa_without_hitl", "bill_mfa_code_token"


def test_a_code_from_a_variable_lets_every_dag_pay_for_thirty_days(airflow: AirflowHarness, bill: LocalBill) -> None:
    def counts() -> tuple[int, int, int]:
        stats = bill.stats()
        return stats["sign_ins"], stats["sms_sent"], stats["payments"]

    def put(code: str) -> None:
        airflow.rest("POST", "variables", {"key": VARIABLE, "value": code})
        wait_until(lambda: VARIABLE not in airflow.variables(), 120, "the code to be taken")

    run_id = airflow.trigger(DAG_ID)
    (code,) = wait_until(bill.codes, 120, "BILL to send a code")
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    put(wrong)
    put(f"{code[:3]}-{code[3:]}")
    assert airflow.wait(DAG_ID, run_id, 240) == "success"
    assert airflow.run("pay_once")[1] == "success"
    assert counts() == (1, 1, 1)
    assert bill.stats()["by_path"]["/connect/v3/mfa/challenge/validate"] == 2

    everything = "\n".join([airflow.all_logs_text(), airflow.database_dump_text(), str(airflow.audit_log())])
    for spelling in (code, f"{code[:3]}-{code[3:]}", wrong):
        assert [line[:120] for line in everything.splitlines() if spelling in line] == [], spelling

    bill.advance(86400)
    assert airflow.run(DAG_ID)[1] == "success"
    assert airflow.run("pay_once")[1] == "success"
    assert counts() == (2, 1, 2)
