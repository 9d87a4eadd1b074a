// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "contracts/libraries/Der.sol";
import {X509} from "contracts/libraries/X509.sol";
import {Crl, X509Crl} from "contracts/libraries/X509Crl.sol";
import {Test} from "../Vm.sol";

/// @notice The library behind an external call, so that reverts can be expected.
contract X509CrlCaller {
    function parse(bytes memory der) external view returns (Crl memory) {
        return X509Crl.parse(der);
    }
}

/// @notice Lists put together here: the parser does not look at their signature.
contract X509CrlTest is Test {
    bytes private constant ALGORITHM = hex"300a06082a8648ce3d040302";
    bytes private constant NAME = hex"300d310b3009060355040613025553";
    /// @dev 2025-08-15 05:41:26 and 2025-09-14 05:41:26.
    bytes private constant BEGIN = hex"170d3235303831353035343132365a";
    bytes private constant END = hex"170d3235303931343035343132365a";
    bytes private constant REASON = hex"300c300a0603551d1504030a0101";
    bytes private constant NUMBER = hex"300a0603551d140403020101";
    bytes private constant KEY_ID =
        hex"301f0603551d23041830168014956f5dcdbd1be1e94049c9d4f433ce01570bde54";
    bytes private constant SIGNATURE = hex"0309003006020101020102";

    X509CrlCaller private crl = new X509CrlCaller();

    function test_parse_ReadsAListWithoutEntries() external view {
        bytes memory signed = _signed("");
        Crl memory list = crl.parse(_whole(signed));
        assertEq(list.digest, sha256(signed), "digest");
        assertEq(list.issuer, keccak256(NAME), "issuer");
        assertEq(list.thisUpdate, 1_755_236_486, "begin");
        assertEq(list.nextUpdate, 1_757_828_486, "end");
        assertEq(list.number, 1, "number");
        assertEq(list.serials, "", "serials");
        assertEq(uint256(list.r), 1, "r");
        assertEq(uint256(list.s), 2, "s");
    }

    function test_parse_ReadsEntriesOfEveryForm() external view {
        uint160[6] memory serials = [
            uint160(0x006fc34e5023e728923435d61aa4b83c618166ad35),
            type(uint160).max,
            uint160(1) << 152,
            uint160(1) << 159,
            0x1001,
            0
        ];
        bytes memory entries;
        bytes memory wanted;
        for (uint256 i; i < serials.length; ++i) {
            // With the list's date and a reason, with another date, with neither.
            bytes memory plain = _entry(serials[i], BEGIN, REASON);
            bytes memory other = _entry(serials[i], END, REASON);
            bytes memory short = _entry(serials[i], BEGIN, "");
            entries = bytes.concat(entries, plain, other, short);
            bytes20 packed = bytes20(serials[i]);
            wanted = bytes.concat(wanted, packed, packed, packed);
        }
        Crl memory list = crl.parse(_whole(_signed(_tlv(0x30, entries))));
        assertEq(list.serials, wanted, "serials");
    }

    function test_parse_ReadsTimesFrom2050On() external view {
        bytes memory late = hex"180f32303530303831353035343132365a";
        bytes memory entries = _tlv(0x30, _entry(7, late, REASON));
        bytes memory body = bytes.concat(hex"020101", ALGORITHM, NAME, late, late, entries);
        Crl memory list = crl.parse(_whole(_tlv(0x30, bytes.concat(body, _extensions()))));
        assertEq(list.serials, abi.encodePacked(bytes20(uint160(7))), "serials");
        assertEq(list.thisUpdate, 2_544_154_886, "begin");
    }

    function test_parse_ReadsAnUnknownExtensionThatIsNotCritical() external view {
        bytes memory unknown = hex"300506032a0304040100";
        unknown = _tlv(0x30, hex"06032a030404020500");
        bytes memory entries = _tlv(0x30, _entry(7, BEGIN, _tlv(0x30, unknown)));
        Crl memory list = crl.parse(_whole(_withExtensions(entries, bytes.concat(NUMBER, unknown))));
        assertEq(list.serials, abi.encodePacked(bytes20(uint160(7))), "serials");
    }

    function test_parse_RevertWhen_AnExtensionIsCritical() external {
        bytes memory delta = _tlv(0x30, hex"0603551d1b0101ff0403020101");
        _refuse(
            _withExtensions("", bytes.concat(NUMBER, delta)),
            X509Crl.X509Crl_CriticalExtension.selector
        );
        bytes memory entries = _tlv(0x30, _entry(7, BEGIN, _tlv(0x30, delta)));
        _refuse(_signed(entries), X509Crl.X509Crl_CriticalExtension.selector);
    }

    function test_parse_RevertWhen_ThereIsNotOneNumber() external {
        _refuse(_withExtensions("", KEY_ID), X509Crl.X509Crl_Number.selector);
        _refuse(_withExtensions("", bytes.concat(NUMBER, NUMBER)), X509Crl.X509Crl_Number.selector);
    }

    function test_parse_RevertWhen_ANumberIsNotCanonical() external {
        // Negative; with a needless zero; of five octets; followed by something.
        bytes[4] memory ill = [
            bytes(hex"300a0603551d140403020181"),
            hex"300b0603551d14040402020001",
            hex"300e0603551d14040702050100000000",
            hex"300c0603551d1404050201010500"
        ];
        for (uint256 i; i < 3; ++i) {
            _refuse(_withExtensions("", ill[i]), Der.Der_Integer.selector);
        }
        _refuse(_withExtensions("", ill[3]), Der.Der_TrailingBytes.selector);
    }

    function test_parse_RevertWhen_ACriticalityIsNotCanonical() external {
        bytes memory ill = _tlv(0x30, hex"0603551d1b0101010403020101");
        _refuse(_withExtensions("", ill), X509.X509_Criticality.selector);
    }

    function test_parse_RevertWhen_TheListIsThereAndEmpty() external {
        _refuse(_signed(hex"3000"), X509Crl.X509Crl_EmptyList.selector);
    }

    function test_parse_RevertWhen_ASerialIsNotCanonical() external {
        bytes20 serial = bytes20(uint160(1) << 155);
        // A needless zero octet before it; 21 octets; negative; none.
        bytes[4] memory ill = [
            bytes.concat(hex"021500", serial),
            bytes.concat(hex"021501", serial),
            bytes.concat(hex"0214", bytes20(uint160(1) << 159)),
            bytes(hex"0200")
        ];
        for (uint256 i; i < ill.length; ++i) {
            bytes memory entry = _tlv(0x30, bytes.concat(ill[i], BEGIN, REASON));
            _refuse(_signed(_tlv(0x30, entry)), Der.Der_Integer.selector);
        }
    }

    function test_parse_RevertWhen_AnEntryIsIll() external {
        bytes memory entry = _entry(uint160(1) << 159, BEGIN, REASON);
        entry[entry.length - 14] = 0x31;
        _refuse(_signed(_tlv(0x30, entry)), Der.Der_Tag.selector);
        entry = _entry(uint160(1) << 159, hex"170d3235303833323035343132365a", REASON);
        _refuse(_signed(_tlv(0x30, entry)), Der.Der_Time.selector);
        entry = _entry(uint160(1) << 159, BEGIN, bytes.concat(REASON, hex"0500"));
        _refuse(_signed(_tlv(0x30, entry)), Der.Der_TrailingBytes.selector);
        _refuse(_signed(_tlv(0x30, _entry(7, "", ""))), Der.Der_Truncated.selector);
    }

    /// @dev The last entry goes on behind the end of the list.
    function test_parse_RevertWhen_AnEntryLeavesTheList() external {
        bytes memory entry = _entry(uint160(1) << 159, BEGIN, REASON);
        bytes memory entries = _tlv(0x30, entry);
        entries[1] = bytes1(uint8(entries[1]) - 1);
        _refuse(_signed(entries), Der.Der_Truncated.selector);
    }

    function test_parse_RevertWhen_ALengthIsNotCanonical() external {
        bytes memory signed = _signed("");
        bytes memory content = bytes.concat(signed, ALGORITHM, SIGNATURE);
        bytes memory long = bytes.concat(hex"3082", bytes2(uint16(content.length)), content);
        vm.expectPartialRevert(Der.Der_Length.selector);
        crl.parse(long);
        vm.expectPartialRevert(Der.Der_Length.selector);
        crl.parse(bytes.concat(hex"3080", content, hex"0000"));
    }

    function test_parse_RevertWhen_BytesFollow() external {
        bytes memory whole = _whole(_signed(""));
        vm.expectPartialRevert(Der.Der_TrailingBytes.selector);
        crl.parse(bytes.concat(whole, hex"00"));
        bytes memory signed = _signed("");
        vm.expectPartialRevert(Der.Der_TrailingBytes.selector);
        crl.parse(_tlv(0x30, bytes.concat(signed, ALGORITHM, SIGNATURE, hex"0500")));
        _refuse(
            _tlv(0x30, bytes.concat(_head(), _extensions(), hex"0500")),
            Der.Der_TrailingBytes.selector
        );
    }

    function test_parse_RevertWhen_ItIsCut() external {
        bytes memory whole = _whole(_signed(_tlv(0x30, _entry(7, BEGIN, REASON))));
        for (uint256 length; length < whole.length; ++length) {
            bytes memory cut = new bytes(length);
            for (uint256 i; i < length; ++i) {
                cut[i] = whole[i];
            }
            vm.expectRevert();
            crl.parse(cut);
        }
    }

    function test_parse_RevertWhen_VersionOrAlgorithmIsAnother() external {
        bytes memory rest = bytes.concat(NAME, BEGIN, END, _extensions());
        _refuse(_tlv(0x30, bytes.concat(hex"020100", ALGORITHM, rest)), Der.Der_Constant.selector);
        bytes memory other = bytes.concat(ALGORITHM);
        other[other.length - 1] = 0x03;
        _refuse(_tlv(0x30, bytes.concat(hex"020101", other, rest)), Der.Der_Constant.selector);
    }

    function _refuse(bytes memory signed, bytes4 selector) private {
        bytes memory whole = _whole(signed);
        vm.expectPartialRevert(selector);
        crl.parse(whole);
    }

    function _head() private pure returns (bytes memory) {
        return bytes.concat(hex"020101", ALGORITHM, NAME, BEGIN, END);
    }

    function _extensions() private pure returns (bytes memory) {
        return _tlv(0xa0, _tlv(0x30, bytes.concat(NUMBER, KEY_ID)));
    }

    function _signed(bytes memory entries) private pure returns (bytes memory) {
        return _tlv(0x30, bytes.concat(_head(), entries, _extensions()));
    }

    function _withExtensions(bytes memory entries, bytes memory extensions)
        private
        pure
        returns (bytes memory)
    {
        bytes memory tail = _tlv(0xa0, _tlv(0x30, extensions));
        return _tlv(0x30, bytes.concat(_head(), entries, tail));
    }

    function _whole(bytes memory signed) private pure returns (bytes memory) {
        return _tlv(0x30, bytes.concat(signed, ALGORITHM, SIGNATURE));
    }

    function _entry(uint160 serial, bytes memory date, bytes memory extensions)
        private
        pure
        returns (bytes memory)
    {
        bytes memory octets = abi.encodePacked(serial);
        uint256 start;
        while (start < 19 && octets[start] == 0) {
            ++start;
        }
        bytes memory shortest = octets[start] > 0x7f ? bytes(hex"00") : bytes("");
        for (uint256 i = start; i < 20; ++i) {
            shortest = bytes.concat(shortest, octets[i]);
        }
        return _tlv(0x30, bytes.concat(_tlv(0x02, shortest), date, extensions));
    }

    function _tlv(uint8 tag, bytes memory content) private pure returns (bytes memory) {
        uint256 length = content.length;
        bytes memory head = abi.encodePacked(tag, uint8(length));
        if (length > 0xff) head = abi.encodePacked(tag, uint8(0x82), uint16(length));
        else if (length > 0x7f) head = abi.encodePacked(tag, uint8(0x81), uint8(length));
        return bytes.concat(head, content);
    }
}
