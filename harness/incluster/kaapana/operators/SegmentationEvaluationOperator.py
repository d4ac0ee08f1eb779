# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Compares segmentations with a ground truth (operators 5.11)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class SegmentationEvaluationOperator(KaapanaBaseOperator):
    """Parameters as in operators 5.11; ``batch_name``, labels and memory are fixed.

    The form must have ``exit_on_error``, ``label_mapping`` and the list of metrics under the key ``metrics_key``.
    """

    def __init__(
        self,
        dag: Any,
        gt_operator: Any,
        test_operator: Any,
        batch_gt: str | None = None,
        batch_test: str | None = None,
        metrics_key: str = "metrics",
        test_seg_exists: bool = True,
        name: str = "segmentation-evaluation",
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(hours=12),
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "GT_IN_DIR": gt_operator.operator_out_dir,
                "TEST_IN_DIR": test_operator.operator_out_dir,
                "BATCH_GT": batch_gt,
                "BATCH_TEST": batch_test,
                "METRICS_KEY": metrics_key,
                "TEST_SEG_EXISTS": str(test_seg_exists),
            }
        )
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/seg-eval:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            batch_name=batch_test,
            execution_timeout=execution_timeout,
            ram_mem_mb=5000,
            ram_mem_mb_lmt=100000,
            labels={names.LABEL_NETWORK_OPENSEARCH: "true"},
            **kwargs,
        )
