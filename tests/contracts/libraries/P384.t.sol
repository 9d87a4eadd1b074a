// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P384} from "contracts/libraries/P384.sol";
import {Sha384} from "contracts/libraries/Sha384.sol";
import {Deploy} from "../Deploy.sol";
import {Test} from "../Vm.sol";

/// @dev Signatures and hints are those of tests/vectors/make_p384.py.
contract P384Test is Test {
    uint256 private constant CASES = 3;

    address private machine;
    address private hasher;
    string private json;

    struct Signed {
        bytes message;
        bytes digest;
        bytes signature;
        bytes key;
        bytes hint;
    }

    function setUp() external {
        machine = Deploy.shipped("P384Machine", "");
        hasher = Deploy.shipped("Sha384Machine", "");
        json = vm.readFile("../tests/vectors/p384.json");
    }

    function verify(Signed memory signed, bytes calldata hint) external view returns (bool) {
        return P384.verify(machine, signed.digest, signed.signature, signed.key, hint);
    }

    function test_verify_AcceptsGoodSignatures() external view {
        for (uint256 i; i < CASES; ++i) {
            Signed memory signed = _case(i);
            assertTrue(this.verify(signed, signed.hint), "good");
            bytes memory digest = Sha384.digest(hasher, signed.message);
            assertEq(digest, signed.digest, "SHA-384 of the message");
        }
    }

    function test_verify_RefusesAlteredHints() external view {
        _alter(0);
    }

    function test_verify_RefusesOtherAlteredHints() external view {
        _alter(7);
    }

    /// @dev One bit in every fourteenth byte of the hint, another one each time: 1,100 of them.
    function _alter(uint256 first) private view {
        Signed memory signed = _case(0);
        uint256 tried;
        for (uint256 place = first; place < signed.hint.length; place += 14) {
            bytes1 good = signed.hint[place];
            signed.hint[place] = good ^ bytes1(uint8(1 << (place / 7) % 8));
            assertTrue(!this.verify(signed, signed.hint), "altered hint");
            signed.hint[place] = good;
            ++tried;
        }
        assertTrue(tried >= 1_000, "too few mutants");
    }

    function test_verify_RefusesAlteredSignaturesKeysAndDigests() external view {
        Signed memory signed = _case(0);
        bytes[3] memory parts = [signed.digest, signed.signature, signed.key];
        for (uint256 i; i < 3; ++i) {
            for (uint256 place; place < parts[i].length; ++place) {
                bytes1 good = parts[i][place];
                parts[i][place] = good ^ bytes1(uint8(1 << place % 8));
                assertTrue(!this.verify(signed, signed.hint), "altered");
                parts[i][place] = good;
            }
        }
        assertTrue(this.verify(signed, signed.hint), "as before");
    }

    function test_verify_RefusesAnothersHint() external view {
        Signed memory signed = _case(0);
        assertTrue(!this.verify(signed, _case(1).hint), "another's hint");
        assertTrue(!this.verify(signed, ""), "no hint");
    }

    function test_verify_RefusesHintsThatAreLongerOrShorter() external view {
        Signed memory signed = _case(0);
        assertTrue(!this.verify(signed, bytes.concat(signed.hint, hex"00")), "a byte more");
        bytes memory hint = signed.hint;
        assembly ("memory-safe") {
            mstore(hint, sub(mload(hint), 1))
        }
        assertTrue(!this.verify(signed, hint), "a byte less");
    }

    function test_verify_RefusesOtherLengths() external view {
        Signed memory signed = _case(0);
        bytes memory whole = signed.key;
        signed.key = bytes.concat(whole, hex"00");
        assertTrue(!this.verify(signed, signed.hint), "long key");
        signed.key = "";
        assertTrue(!this.verify(signed, signed.hint), "no key");
        signed.key = whole;
        signed.digest = bytes.concat(signed.digest, hex"00");
        assertTrue(!this.verify(signed, signed.hint), "long digest");
    }

    function test_verify_RefusesWhatIsNoMachine() external {
        Signed memory signed = _case(0);
        machine = address(0xdead);
        assertTrue(!this.verify(signed, signed.hint), "no code");
    }

    function test_verify_RefusesWithTooLittleGas() external {
        Signed memory signed = _case(0);
        (bool isDone, bytes memory answer) =
            address(this).call{gas: 400_000}(abi.encodeCall(this.verify, (signed, signed.hint)));
        assertTrue(!isDone || !abi.decode(answer, (bool)), "out of gas");
    }

    function test_digest_IsThatOfTheStandard() external view {
        // FIPS 180-4, example: "abc".
        assertEq(
            Sha384.digest(hasher, "abc"),
            hex"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            "abc"
        );
        assertEq(
            Sha384.digest(hasher, ""),
            hex"38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
            "nothing"
        );
    }

    function hash(bytes calldata message) external view returns (bytes memory) {
        return Sha384.digest(hasher, message);
    }

    function test_digest_RefusesWhatIsNoMachine() external {
        hasher = address(0xdead);
        vm.expectRevert(abi.encodeWithSelector(Sha384.Sha384_NoDigest.selector, address(0xdead), 0));
        this.hash("abc");
    }

    function _case(uint256 i) private view returns (Signed memory signed) {
        string memory path = string.concat(".cases[", vm.toString(i), "].");
        signed.message = vm.parseJsonBytes(json, string.concat(path, "message"));
        signed.digest = vm.parseJsonBytes(json, string.concat(path, "digest"));
        signed.signature = vm.parseJsonBytes(json, string.concat(path, "signature"));
        signed.key = vm.parseJsonBytes(json, string.concat(path, "key"));
        signed.hint = vm.parseJsonBytes(json, string.concat(path, "hint"));
    }
}
