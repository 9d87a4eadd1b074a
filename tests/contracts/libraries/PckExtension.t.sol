// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "contracts/libraries/Der.sol";
import {PckExtension, PckPlatform} from "contracts/libraries/PckExtension.sol";
import {DcapFixture} from "../DcapFixture.sol";

/// @notice The library behind an external call, so that reverts can be expected.
contract PckExtensionCaller {
    function parse(bytes memory der) external pure returns (PckPlatform memory) {
        return PckExtension.parse(der, 0, der.length);
    }
}

contract PckExtensionTest is DcapFixture {
    // Positions in the extension: 4 bytes of head, then PPID (32), TCB (361), PCEID (18), …
    uint256 private constant PPID = 4;
    uint256 private constant TCB = 36;
    uint256 private constant FIRST_COMPONENT = TCB + 20;

    PckExtensionCaller private caller;
    bytes private sound;

    function setUp() external {
        load();
        caller = new PckExtensionCaller();
        sound = bytesAt(".sgxExtension");
    }

    function test_parse_ReadsTheMachine() external view {
        PckPlatform memory platform = caller.parse(sound);
        assertEq(abi.encodePacked(platform.ppid), bytesAt(".pck.ppid"), "PPID");
        assertEq(abi.encodePacked(platform.fmspc), bytesAt(".pck.fmspc"), "FMSPC");
        assertEq(abi.encodePacked(platform.pceid), hex"0000", "PCE id");
        assertEq(platform.pcesvn, 13, "PCE SVN");
        assertEq(
            abi.encodePacked(platform.components),
            hex"0e0e0303ffff01000000000000000000",
            "components"
        );
    }

    function test_parse_ReadsAnExtensionOfAProcessorCa() external view {
        // Items 1 to 5 only: without the last two, 32 and 70 bytes.
        bytes memory shorter = cut(sound, sound.length - 102);
        (shorter[2], shorter[3]) =
        (bytes1(uint8((sound.length - 106) >> 8)), bytes1(uint8(sound.length - 106)));
        assertEq(abi.encodePacked(caller.parse(shorter).ppid), bytesAt(".pck.ppid"), "PPID");
    }

    function test_parse_RevertWhen_AnItemIsMissing() external {
        for (uint256 i; i < 2; ++i) {
            bytes memory altered = bytes.concat(sound);
            // The first item takes the number of the sixth or seventh, which is then there twice.
            altered[PPID + 13] = i == 0 ? bytes1(0x06) : bytes1(0x07);
            refuse(altered, PckExtension.PckExtension_Item.selector);
        }
        bytes memory only = bytes.concat(hex"3020", slice(sound, PPID, PPID + 32));
        vm.expectRevert(abi.encodeWithSelector(PckExtension.PckExtension_Missing.selector, 2, 0x3e));
        caller.parse(only);
        refuse(hex"3000", PckExtension.PckExtension_Missing.selector);
    }

    function test_parse_RevertWhen_AnItemIsUnknown() external {
        bytes1[2] memory numbers = [bytes1(0x00), 0x08];
        for (uint256 i; i < 2; ++i) {
            bytes memory altered = bytes.concat(sound);
            altered[PPID + 13] = numbers[i];
            refuse(altered, PckExtension.PckExtension_Item.selector);
        }
    }

    function test_parse_RevertWhen_AnItemOccursTwice() external {
        bytes memory ppid = slice(sound, PPID, PPID + 32);
        refuse(bytes.concat(hex"3040", ppid, ppid), PckExtension.PckExtension_Item.selector);
    }

    function test_parse_RevertWhen_AValueHasAnotherLength() external {
        bytes memory ppid =
            bytes.concat(hex"301d060a2a864886f84d010d0101040f", slice(sound, PPID + 16, PPID + 31));
        refuse(bytes.concat(hex"301f", ppid), PckExtension.PckExtension_Length.selector);
    }

    function test_parse_RevertWhen_AnObjectIdentifierIsAnother() external {
        bytes memory altered = bytes.concat(sound);
        altered[PPID + 12] = 0x02;
        refuse(altered, Der.Der_Constant.selector);
    }

    function test_parse_RevertWhen_AnObjectIdentifierEndsBeforeItsNumber() external {
        vm.expectRevert(abi.encodeWithSelector(Der.Der_Truncated.selector, 15, 16));
        caller.parse(hex"300d300b060a2a864886f84d010d01");
    }

    function test_parse_RevertWhen_ComponentsAreOutOfOrder() external {
        bytes memory altered = bytes.concat(sound);
        // Number of the first component: 12 bytes into its object identifier's element.
        uint256 offset = FIRST_COMPONENT + 2 + 12;
        assertEq(uint8(altered[offset]), 1, "number");
        altered[offset] = 0x02;
        refuse(altered, Der.Der_Constant.selector);
    }

    function test_parse_RevertWhen_AComponentIsNegative() external {
        bytes memory altered = bytes.concat(sound);
        altered[FIRST_COMPONENT + 2 + 15] = 0xff;
        refuse(altered, Der.Der_Integer.selector);
    }

    function test_parse_RevertWhen_BytesFollow() external {
        refuse(bytes.concat(sound, hex"00"), Der.Der_TrailingBytes.selector);
    }

    function refuse(bytes memory der, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        caller.parse(der);
    }

    function slice(bytes memory data, uint256 start, uint256 end)
        private
        pure
        returns (bytes memory part)
    {
        part = new bytes(end - start);
        for (uint256 i; i < part.length; ++i) {
            part[i] = data[start + i];
        }
    }

    function cut(bytes memory data, uint256 length) private pure returns (bytes memory) {
        return slice(data, 0, length);
    }
}
