/**
 * Which forms of kernels a device's graphs use.
 * @module
 */
import { BY_SHAPE, type KernelChoice, ONE_FORM } from "../../kernels/product_choice.ts";
import { type Device, isGpu } from "../device/device.ts";

/** The choice for a device that was not measured: a GPU has forms, the others run one and ignore the rest. */
export function choiceFor(device: Pick<Device, "kind">): KernelChoice {
  return isGpu(device) ? BY_SHAPE : ONE_FORM;
}
