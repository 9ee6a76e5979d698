# Thirty thousand requests with hostile Cookie, Set-Cookie and Cache-Control headers: every one is answered, nothing is
# injected, no forged value is accepted, no worker crashes, and memory does not grow. The headers come from a deterministic
# generator, so that failures can be reproduced; "request N" in a failure is its argument.

use Sticky qw(Keys);
use Digest::MD5 'md5_hex';
use IO::Select;
use IO::Socket::INET;
use List::Util 'max';

master_on();
log_level('warn');
may_warn(qr/ is also that of upstream /);

# Each block sends the same requests several times: memory may grow only at first.
our $valgrind = $ENV{TEST_NGINX_USE_VALGRIND};
our %requests = $valgrind ? (cookie => 165, set_cookie => 110) : (cookie => 3300, set_cookie => 2200);
our $start = time;
our $patience = $valgrind ? 60 : 10;
our $may_grow = 512;    # kB
our $passes = $valgrind ? 2 : 6;

%port = (A => 1985, B => 1986, SETS => 1987);
our @ids = map { md5_hex("127.0.0.1:$port{$_}") } sort keys %port;
# IDs with the first key, with the second, and with both.
our %keyed = map { my $name = $_; $name => [key_id($key[0], $name), key_id($key[1], $name), key_ids($name, @key[0, 1])] } sort keys %port;
our @keyed = map { @$_ } @keyed{sort keys %keyed};
key_file('one', $key[0]);
key_file('two', @key[0, 1]);

# Pseudo-random numbers: a linear congruential generator, seeded for each request.
our $chance;
sub seed { $chance = ($_[0] * 2654435761 + 12345) % 2**31; below(2) for 1 .. 3 }
sub below { $chance = ($chance * 1103515245 + 12345) % 2**31; return ($chance >> 8) % $_[0] }
sub one_of { return $_[below(scalar @_)] }
sub bytes {
    my ($length, @from) = @_;
    my $some = join '', map { @from ? one_of(@from) : chr(1 + below(255)) } 1 .. ($length < 500 ? $length : 500);
    return $length < 500 ? $some : substr $some x (1 + $length / length $some), 0, $length;
}

our @stamps = ('0', '-1', '-9223372036854775808', '9223372036854775807', '9223372036854775808', '18446744073709551615',
               '18446744073709551616', '4294967296', '9' x 40, '9' x 400, '', '+5', '0x10', '1e9', '1.5', ' 7', '007', "\xb2", 'x');

# A session that began long ago, signed with a key. No other session is as old.
our $begun = $start - 300;
sub session {
    my ($id) = @_;
    return signed('s', "$id|$start|$begun", one_of([$key[0]], [$key[0]], [@key[0, 1]], [@key[2, 0]])->@*);
}

# A signed value, and manipulations of it.
sub signed_value {
    my $id = one_of(@ids, @keyed);
    my $session = session($id);
    my $other = $start - 200;
    return one_of(
        sub { $session },
        sub { $session },
        sub { "\"$session\"" },
        sub { $session =~ s/\|$begun\|/|$other|/r },
        sub { $session =~ s/^$id/@{[one_of(@ids, @keyed)]}x/r },
        sub { "$id|$start|$other|" . ($session =~ s/.*\|//r) },
        sub { $session =~ s/[^|]*\z/bytes(one_of(21, 22, 23, 45, 46, 400), 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_', '.')/er =~ s/$begun/$other/r },
        sub { signed('s', "$id|$start|$other", $key[3]) },
        sub { signed('S', "$id|$start|$other", $key[0]) },
        sub { "$session|" },
        sub { "$session." . 'A' x 22 },
        sub { "$session.$session" },
        sub { $session . '|' . ($session =~ s/.*\|//r) x 100 },
        sub { signed('s', bytes(20_000, 'x', '|', '.'), $key[0]) },
        sub { signed('s', one_of('', '|', '||', "$id|", "$id|$other"), $key[0]) },
        sub { my $at = below(length $session); $session = substr($session, 0, $at) . chr(33 + below(90)) . substr($session, $at); $session =~ s/$begun/$other/r },
    )->();
}

# A possible value of a session cookie, and manipulations of it.
sub value {
    my $id = one_of(@ids, @ids, @keyed, 'nobody', '');
    my $now = $start;
    return one_of(
        (\&signed_value) x 6,
        sub { $id },
        sub { join '|', $id, one_of(@stamps, $now), one_of(@stamps, $now) },
        sub { join '|', $id, $now, one_of(@stamps), one_of(@stamps) },
        sub { $id . '|' x below(50) },
        sub { '|' x below(50) . $id },
        sub { '~' x below(50) . $id . '~' x below(50) },
        sub { "$id~" . bytes(below(40), '|', '~', '"', 'x', ' ', '=') },
        sub { bytes(below(60), '|', '~') },
        sub { bytes(below(60), '"', '|', '~', $id, '=') },
        sub { "\"$id" },
        sub { "$id\"" },
        sub { "\"$id\"" },
        sub { "\"\"$id\"\"" },
        sub { '"' x below(9) },
        sub { '\\"' . $id . '\\' },
        sub { bytes(below(80)) =~ tr/\r\n;//dr },
        sub { my $value = "$id|$now|$now"; substr($value, below(length $value), 1, chr(1 + below(255)) =~ tr/\r\n//dr); $value },
        sub { "\t $id \t" },
        sub { uc $id },
        sub { $id x 3 },
        sub { $id . bytes(31_000, 'x', '|', '~') },
    )->();
}

sub name { return one_of(('s') x 6, 'S', ' s ', 'xs', 'ss', "s\t", '', '"s"', '$s', 'test', "\xe9", 's' x 300) }
sub pair { return one_of(sub { name() . '=' . value() }, sub { name() . '=' . value() }, \&name, sub { '=' . value() })->() }

# The Cookie fields of a request.
sub cookies {
    my ($number) = @_;
    seed($number);
    return one_of(
        (sub { 's=' . value() }) x 6,
        (sub { join one_of('; ', ';', ' ; ', ';;', ', ', '; ; '), map { pair() } 0 .. below(6) }) x 6,
        sub { bytes(below(200), ';', '=', ' ', '"', 's', ',') },
        sub { join '; ', (map { "n$_=v" } 1 .. 500), pair(), (map { "m$_=v" } 1 .. 500) },
        sub { join ';', map { 's=' . one_of(@ids, 'nobody', '|', '~') } 1 .. 1000 },
        sub { ';' x 5000 . 's=' . one_of(@ids) . ';' x 5000 },
        sub { 's=' . bytes(32_000) =~ tr/\r\n//dr },
        sub { bytes(32_000, 's', '=', ';', '"', '|', '~') },
        sub { 'a="' . 'x' x 100 . '; ' . pair() },
        sub { (map { pair() } 1 .. 20) },
        sub { ('', pair(), '', pair()) },
        sub { 's=' . one_of(@ids) . "\0" . value() },
        sub { "\0" },
    )->();
}

# An attribute that may delete the cookie, and some for which only user agents could decide that.
our @dates = ('Thu, 01 Jan 1970 00:00:00 GMT', 'Thu, 01-Jan-2060 00:00:00 GMT', '31 Feb 99999 99:99:99', '99:99:99 99 Dec 9999', '0', '',
              '1 Jan 1600 1:1:1', '29 feb 00 0:0:0', '18446744073709551616 jan 18446744073709551616 1:1:1', ':' x 500, '1 ' x 500, 'jan' x 300);
sub ending {
    return one_of(
        sub { '; Max-Age=' . one_of(@stamps) },
        sub { '; max-age = ' . bytes(below(30), 0 .. 9, '-') },
        sub { '; Expires=' . one_of(@dates) },
        sub { '; expires =' . bytes(below(2000), 0 .. 9, ':', ' ', '-', 'jan', 'Dec') },
        sub { '; Max-Age=0; Expires=' . one_of(@dates) . '; Max-Age=1' },
        sub { '; ' . join '; ', map { "Expires=$_" } @dates },
    )->();
}

# The Cache-Control fields of a response.
sub cache_control {
    my ($number) = @_;
    seed($number + 7_000_000);
    return map { s/^[ \t]+|[ \t]+$//gr } map { tr/\r\n\0//dr } one_of(
        sub { () },
        sub { one_of('public', 'private', 'no-store', 'PUBLIC, max-age=60', 'private="Set-Cookie"', ' , ,', '') },
        sub { join one_of(',', ', ', ' ,', ',,'), map { one_of('public', 's-maxage=9', 'max-age=1', 'private', 'x="a, public"', 'no-cache="', '"', '\\"') } 0 .. below(9) },
        sub { map { one_of('public', 'max-age=1', 'private', 'x="', '"') } 0 .. below(9) },
        sub { bytes(below(300), ',', '"', '\\', '=', ' ', 'p', 'public') },
        sub { bytes(below(300)) },
        sub { 'public,' x 2000 },
        sub { 'x="' . bytes(8000, ',', '\\', 'public') },
    )->();
}

# The Set-Cookie fields of a response, without surrounding white space, which nginx strips.
sub set_cookies {
    my ($number) = @_;
    seed($number);
    return map { s/^[ \t]+|[ \t]+$//gr } map { tr/\r\n//dr } one_of(
        (sub { 's=' . value() . one_of('', ';', '; Path=/', ' ; Path=/', ';Path=/; s=1', '; "', ending()) }) x 6,
        (sub { map { pair() . one_of('', '; Path=/', '; s=2', ending()) } 0 .. below(8) }) x 6,
        sub { map { 's=' . one_of('x', '"y"', '', '~', '|') } 1 .. 200 },
        sub { map { "n$_=s=1" } 1 .. 900 },
        sub { 's=' . bytes(32_000) =~ tr/;//dr },
        sub { bytes(32_000, 's', '=', ';', '"', '|', '~') },
        sub { 's' },
        sub { '=' },
        sub { bytes(300) },
        sub { "s=a\0b; Path=/" },
    )->();
}

# The expected Set-Cookie field if the cookie's name is s.
sub edited {
    my ($field, $edit) = @_;
    $field =~ s/^([ \t]*s[ \t]*=[ \t]*)([^; \t]+(?:[ \t]+[^; \t]+)*)/$1 . $edit->($2)/e
        or $field =~ s/^([ \t]*s[ \t]*=)(?=[ \t]*(?:;|$))/$1 . $edit->('')/e;
    return $field;
}

# The server that sets them; nginx encodes them in the path.
our $setter = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port{SETS}, Listen => 64, ReuseAddr => 1)
    or bail_out("cannot listen on 127.0.0.1:$port{SETS}: $!");
our $setting = fork() // bail_out("cannot fork: $!");
if (!$setting) {
    my $tests = getppid;
    $SIG{PIPE} = 'IGNORE';
    my $all = IO::Select->new($setter);
    my %asked;
    while (getppid == $tests) {
        for my $ready ($all->can_read(1)) {
            if ($ready == $setter) {
                my $client = $ready->accept or next;
                $all->add($client);
                $asked{$client} = '';
                next;
            }
            if (!sysread $ready, $asked{$ready}, 65536, length $asked{$ready}) {
                $all->remove($ready);
                delete $asked{$ready};
                close $ready;
                next;
            }
            while ($asked{$ready} =~ s{^\S+ /(\d+) .*?\r\n\r\n}{}s) {
                my $answer = "HTTP/1.1 200 OK\r\n" . join('', map { "Set-Cookie: $_\r\n" } set_cookies($1))
                    . join('', map { "Cache-Control: $_\r\n" } cache_control($1)) . "Content-Length: 5\r\n\r\nsets\n";
                while (length $answer) {
                    my $sent = syswrite $ready, $answer or last;
                    substr $answer, 0, $sent, '';
                }
            }
        }
    }
    require POSIX;
    POSIX::_exit(0);
}
close $setter;
END { kill 'TERM', $setting if $setting }

our $http_config = join '', map { <<"_EOC_" } 'A', 'B';
    server { listen 127.0.0.1:$port{$_}; location / { return 200 "$_\\n"; } }
_EOC_

$http_config .= join '', map { my ($name, $parameters) = @$_; <<"_EOC_" }
    upstream $name { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=s $parameters; }
    upstream sets_$name { server 127.0.0.1:1987; session_sticky cookie=s $parameters; keepalive 4; }
_EOC_
    ['insert', 'maxidle=60 maxlife=600'],
    ['indirect', 'option=indirect maxidle=60'],
    ['plain', 'option=indirect hash=plain'],
    ['off', 'fallback=off maxlife=600'],
    ['rewrite', 'mode=rewrite'],
    ['prefix', 'mode=prefix'],
    ['signed', "maxidle=60 maxlife=600 sign accept=hmac key_file=$keys/one nocache"],
    ['unsigned', "maxidle=600 refresh=60 sign hash=hmac accept=unsigned,md5,haproxy,plain,index key_file=$keys/two nocache"],
    ['keyed', "option=indirect hash=hmac key_file=$keys/two preserve nocache"],
    ['keyedprefix', "mode=prefix hash=hmac accept=md5 key_file=$keys/one preserve nocache"],
    ['switched', "if=\$cookie_s secure=\$cookie_test maxlife=600 sign key_file=$keys/one fallback=off postonly"];

our @modes = qw(insert indirect plain off rewrite prefix signed unsigned keyed keyedprefix switched);

$http_config .= <<'_EOC_';
    access_log off;
    large_client_header_buffers 8 64k;
    keepalive_requests 100000;
    proxy_buffer_size 256k;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 256k;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    add_header X-Worker $pid always;
_EOC_

our $config = <<'_EOC_';
    location = /idle { return 200 "idle\n"; }
    location /cookie/ {
        location /cookie/insert/ { proxy_pass http://insert/; }
        location /cookie/indirect/ { proxy_pass http://indirect/; }
        location /cookie/plain/ { session_sticky_hide_cookie upstream=plain; set $u plain; proxy_pass http://$u/; }
        location /cookie/off/ { proxy_pass http://off/; }
        location /cookie/rewrite/ { proxy_pass http://rewrite/; }
        location /cookie/prefix/ { proxy_pass http://prefix/; }
        location /cookie/signed/ { proxy_pass http://signed/; }
        location /cookie/unsigned/ { proxy_pass http://unsigned/; }
        location /cookie/keyed/ { proxy_pass http://keyed/; }
        location /cookie/keyedprefix/ { proxy_pass http://keyedprefix/; }
        location /cookie/switched/ { proxy_pass http://switched/; }
    }
    location /sets/ {
        location /sets/insert/ { proxy_pass http://sets_insert/; }
        location /sets/indirect/ { proxy_pass http://sets_indirect/; }
        location /sets/plain/ { proxy_pass http://sets_plain/; }
        location /sets/off/ { proxy_pass http://sets_off/; }
        location /sets/rewrite/ { proxy_pass http://sets_rewrite/; }
        location /sets/prefix/ { proxy_pass http://sets_prefix/; }
        location /sets/signed/ { proxy_pass http://sets_signed/; }
        location /sets/unsigned/ { proxy_pass http://sets_unsigned/; }
        location /sets/keyed/ { proxy_pass http://sets_keyed/; }
        location /sets/keyedprefix/ { proxy_pass http://sets_keyedprefix/; }
        location /sets/switched/ { proxy_pass http://sets_switched/; }
    }
_EOC_

add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value('http_config', $http_config);
    $block->set_value('config', $config);
    $block->set_value('request', 'GET /idle');
    $block->set_value('timeout', $patience);
    # Sent after all other requests.
    $block->set_value('no_error_log', "[alert]\n[crit]\n[emerg]\nexited on signal\n");
});

# The modes whose cookies use keys: the server's ID, the signing keys, and whether shared caches must not store the
# response.
our %made = (
    signed => {id => sub { md5_hex("127.0.0.1:$port{$_[0]}") }, keys => [$key[0]], nocache => 1},
    unsigned => {id => sub { $keyed{$_[0]}[2] }, keys => [@key[0, 1]], nocache => 1},
    keyed => {id => sub { $keyed{$_[0]}[2] }, keys => [], nocache => 1},
    switched => {id => sub { md5_hex("127.0.0.1:$port{$_[0]}") }, keys => [$key[0]]},
);

add_response_body_check(sub {
    my ($block, $body, $index, $repeated, $dry_run) = @_;
    return if $dry_run;
    our $name = $block->name;
    $block->client->();
});

# Reads one response from a connection: status, header fields, and whether the connection can be reused.
sub next_response {
    my ($socket, $buffer) = @_;
    my $enough = sub {
        my ($ready) = @_;
        while (!$ready->()) {
            IO::Select->new($socket)->can_read($patience) or return;
            sysread($socket, $$buffer, 262144, length $$buffer) or return;
        }
        return 1;
    };
    $enough->(sub { $$buffer =~ /\r\n\r\n/ }) or return;
    my $head = substr $$buffer, 0, index($$buffer, "\r\n\r\n") + 4, '';
    my ($status) = $head =~ m{^HTTP/1\.1 (\d{3}) } or return;
    my ($length) = $head =~ /^Content-Length: (\d+)\r$/m or return;
    $enough->(sub { length $$buffer >= $length }) or return;
    substr $$buffer, 0, $length, '';
    my ($worker) = $head =~ /^X-Worker: (\d+)\r$/m;
    return { status => $status, open => scalar($head !~ /^Connection: close\r$/m), worker => $worker,
             set_cookie => [$head =~ /^Set-Cookie: ?(.*?)\r$/mg], cache_control => [$head =~ /^Cache-Control: ?(.*?)\r$/mg] };
}

# Sends pipelined requests and passes each response to $judge, or undef if there was none.
sub pipelined {
    my ($requests, $judge) = @_;
    my $at = 0;
    while ($at < @$requests) {
        my $last = $at + 19 > $#$requests ? $#$requests : $at + 19;
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => server_port(), Timeout => $patience);
        my $buffer = '';
        if ($socket) {
            local $SIG{PIPE} = 'IGNORE';
            print $socket join '', @$requests[$at .. $last];
            $socket->flush;
        }
        # nginx closes the connection after a bad request: the requests after it are sent again.
        my $open = 1;
        while ($at <= $last && $open) {
            my $response = $socket && next_response($socket, \$buffer);
            $judge->($at++, $response);
            $open = $response && $response->{open};
        }
    }
}

# Whether a value is the module's own: it has one of these IDs and, if there are keys, is signed with them.
sub is_ours {
    my ($value, $ids, @keys) = @_;
    my ($id, $text) = $value =~ /^(([^|]*)(?:\|\d{10}\|\d{1,10})?)/ ? ($2, $1) : return 0;
    return 0 if !grep { $_ eq $id } @$ids;
    return $value eq (@keys ? signed('s', $text, @keys) : $text);
}

# Returns what is wrong with the Cache-Control field of a response with a cookie of the module.
sub stored_by_all {
    my ($response) = @_;
    my @fields = @{$response->{cache_control}};
    return 'not private: ' . join ' and ', @fields if !grep { $_ eq 'private' } @fields;
    # A quoted string contains no directives.
    my @directives = map { s/"(?:[^"\\]|\\.)*(?:"|\\?\z)/""/gr } @fields;
    return 'public: ' . join ' and ', @fields if grep { /(?:^|,)\s*(?:public|s-maxage)\s*(?:[=,]|$)/i } @directives;
    return '';
}

sub memory_of {
    my ($pid) = @_;
    open my $status, '<', "/proc/$pid/status" or return;
    local $/;
    return <$status> =~ /^VmRSS:\s+(\d+) kB/m ? $1 : undef;
}

# Sends all requests $passes times. $wrong returns what is wrong with a response, if anything. The maximum memory of the
# worker in the later half is compared with the earlier half, because an allocator that keeps freed memory for a while,
# such as AddressSanitizer's, varies.
sub all_answered {
    my ($requests, $wrong) = @_;
    my (@failures, @memory, %worker, %status);
    for my $pass (1 .. $passes) {
        pipelined($requests, sub {
            my ($number, $response) = @_;
            my $what = $response ? $wrong->($number, $response) : 'no answer';
            push @failures, "request $number: $what" if $what;
            $status{$response->{status}}++ if $response;
            $worker{$response->{worker}} = 1 if $response && $response->{worker};
        });
        push @memory, map { memory_of($_) // () } keys %worker;
    }
    is(scalar(@failures), 0, "$main::name - each of " . $passes * @$requests . ' requests is answered')
        or diag(join "\n", @failures > 20 ? @failures[0 .. 19] : @failures);
    ok(($status{200} // 0) > $passes / 2 * @$requests, "$main::name - most responses have status 200");
    is(scalar(keys %worker), 1, "$main::name - one worker answered all requests") or diag(join ' ', keys %worker);
    return if $valgrind;
    is(scalar(@memory), $passes, "$main::name - it reports its memory");
    my ($earlier, $later) = (max(@memory[0 .. $passes / 2 - 1]), max(@memory[$passes / 2 .. $#memory]));
    cmp_ok($later - $earlier, '<', $may_grow, "$main::name - its memory does not grow (@memory kB)");
}

run_tests();

__DATA__

=== hostile Cookie headers
--- client eval
sub {
    my (@requests, @nul);
    for my $number (0 .. $main::requests{cookie} - 1) {
        my @fields = main::cookies($number);
        $nul[$number] = grep { /\0/ } @fields;
        my $mode = $main::modes[$number % @main::modes];
        my $method = $mode eq 'switched' && $number % 2 ? 'POST' : 'GET';
        push @requests, "$method /cookie/$mode/$number HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
                        . CORE::join('', map { "Cookie: $_\r\n" } @fields) . "\r\n";
    }
    my $id = CORE::join '|', @main::ids, map { "127\\.0\\.0\\.1:$_" } values %main::port;
    main::all_answered(\@requests, sub {
        my ($number, $response) = @_;
        my $mode = $main::modes[$number % @main::modes];
        return $response->{status} == 400 ? '' : "status $response->{status}, not 400" if $nul[$number];
        return "status $response->{status}"
            if $response->{status} != 200 && !($response->{status} == 502 && $mode =~ /off|switched/);
        my @set = @{$response->{set_cookie}};
        return 'several cookies' if @set > 1;
        return '' if !@set;
        if (my $made = $main::made{$mode}) {
            my ($value) = $set[0] =~ /^s=([^;]*); Path=\/(?:; Secure)?$/ or return "Set-Cookie: @set";
            return "Set-Cookie: @set" if !main::is_ours($value, [map { $made->{id}($_) } 'A', 'B'], @{$made->{keys}});
            # Without a valid key, a new session begins.
            my ($first) = $value =~ /\|\d{10}\|(\d+)\|/;
            return "followed: @set" if $mode eq 'signed' && $first < $main::start && $first != $main::begun;
            return $made->{nocache} ? main::stored_by_all($response) : '';
        }
        return $set[0] =~ /^s=(?:$id)(?:\|\d{10}\|\d{1,10})?; Path=\/$/ ? '' : "Set-Cookie: @set";
    });
}



=== hostile Set-Cookie headers
--- client eval
sub {
    my @requests = map { "GET /sets/$main::modes[$_ % @main::modes]/$_ HTTP/1.1\r\nHost: localhost\r\n\r\n" } 0 .. $main::requests{set_cookie} - 1;
    my $id = Digest::MD5::md5_hex("127.0.0.1:$main::port{SETS}");
    my %edit = (rewrite => sub { $id }, prefix => sub { "$id~$_[0]" }, keyedprefix => sub { "$main::keyed{SETS}[0]~$_[0]" });
    main::all_answered(\@requests, sub {
        my ($number, $response) = @_;
        my $mode = $main::modes[$number % @main::modes];
        my @fields = main::set_cookies($number);
        return $response->{status} == 502 ? '' : "status $response->{status}, not 502" if grep { /\0/ } @fields;
        return "status $response->{status}" if $response->{status} != 200;
        return '' if grep { !length } @fields;

        my @got = @{$response->{set_cookie}};
        if ($mode eq 'keyedprefix') {
            # Fields that delete the cookie are left alone.
            my $at = 0;
            my @edited = map { main::edited($_, $edit{$mode}) } @fields;
            my $cached = CORE::join("\n", @got) eq CORE::join("\n", @fields) ? '' : main::stored_by_all($response);
            return $cached if length $cached;
            @fields = map {
                my ($field, $edited, $got) = ($fields[$_], $edited[$_], $got[$_] // '');
                $got eq $field && ($field =~ /;\s*(?:max-age|expires)\s*=/i || $field =~ /^\s*s\s*=\s*(?:""?)?\s*(?:;|$)/) ? $field : $edited
            } 0 .. $#fields;
        } elsif ($edit{$mode}) {
            @fields = map { main::edited($_, $edit{$mode}) } @fields;
        } elsif ($mode eq 'switched') {
            # Without a cookie it is off.
        } elsif ($mode eq 'keyed' && grep { /^[ \t]*s[ \t]*=/ } @fields) {
            # The application's own fields take effect.
        } elsif (my $made = $main::made{$mode}) {
            my @ours = grep { /^s=([^;]*); Path=\/$/ && main::is_ours($1, [$made->{id}('SETS')], @{$made->{keys}}) } @got;
            return scalar(@ours) . ' cookies of ours' if @ours != 1;
            @got = grep { $_ ne $ours[0] } @got;
            my $cached = main::stored_by_all($response);
            return $cached if length $cached;
        } else {
            my $ours = $mode eq 'plain' ? "127\\.0\\.0\\.1:$main::port{SETS}" : $id;
            my @ours = grep { /^s=$ours(?:\|\d{10}\|\d{1,10})?; Path=\/$/ } @got;
            return scalar(@ours) . ' cookies of ours' if @ours != 1;
            @got = grep { $_ ne $ours[0] } @got;
            @fields = grep { !/^[ \t]*s[ \t]*=/ } @fields if $mode eq 'indirect' || $mode eq 'plain';
            @fields = grep { $_ ne $ours[0] } @fields;
        }
        return CORE::join("\n", @got) eq CORE::join("\n", @fields) ? '' : "got\n" . CORE::join("\n", @got) . "\nfor\n" . CORE::join("\n", @fields);
    });
}
