/**
 * Which forms of kernels a device's graphs use.
 * @module
 */
import { BY_SHAPE, BY_SUBGROUPS, type KernelChoice, ONE_FORM } from "../../kernels/product_choice.ts";
import { type Device, isGpu, isSoftware } from "../device/device.ts";

/** The choice for a device that was not measured: a GPU has forms, the others run one and ignore the rest. */
export function choiceFor(device: ChoosingDevice): KernelChoice {
  if (!isGpu(device)) return ONE_FORM;
  return isSoftware(device.description) && device.features.has("broadcasts") ? BY_SUBGROUPS : BY_SHAPE;
}

/** What a choice goes by. */
export type ChoosingDevice = Pick<Device, "kind" | "description" | "features">;
