# key_file=, hash=hmac, sign and accept=: valid configurations, and nginx's messages about unusable key files.
#
# KEYS is the path of a key file, LINK a symbolic link to it, RELATIVE its path relative to the folder of the configuration,
# FOLDER a folder, PIPE a pipe, NOTHING a missing file. ONE_A is the ID of server A by the key $one.
# Sections of this file:
#   keys      the contents of KEYS, by default the key $one
#   mode      the mode of KEYS, by default 0600
#   upstream  the contents of "upstream u" after its servers A and B
#   emerg     nginx must refuse to start with exactly one [emerg] line, which contains each line of this section
#   warn      nginx starts with exactly one [warn] line about the module, which contains each line of this section

use Sticky qw(Keys Running Verdicts Visits);
use File::Spec;
use POSIX ();

our $one = 'the key by the name of one';
our $two = 'the key by the name of two';

my $backends = servers('', qw(A B));
my %path = map { $_ => "$keys/" . lc } qw(KEYS LINK FOLDER PIPE NOTHING);
$path{RELATIVE} = File::Spec->abs2rel($path{KEYS}, "$Test::Nginx::Util::ServRoot/conf");
symlink $path{KEYS}, $path{LINK};
mkdir $path{FOLDER};
POSIX::mkfifo($path{PIPE}, 0600) or bail_out("cannot make a pipe: $!");
my $names = join '|', keys %path;
my %by = (ONE => $one, TWO => $two);

# Sets the contents of KEYS; undef removes it.
sub write_keys {
    my ($text, $mode) = @_;
    unlink $path{KEYS};
    return if !defined $text;
    open my $file, '>:raw', $path{KEYS} or die "cannot write $path{KEYS}: $!\n";
    print $file $text;
    close $file or die "cannot write $path{KEYS}: $!\n";
    chmod $mode // 0600, $path{KEYS};
    return;
}

# TEXT with paths and IDs.
sub told {
    my ($text) = @_;
    return $text =~ s/\b(ONE|TWO)_([AB])\b/key_id($by{$1}, $2)/ger =~ s/\b($names)\b/$path{$1}/gr;
}

# The output of nginx -t, on stdout, on stderr and in its log, for parameters of the directive; run by the command @as.
sub verdict {
    my ($parameters, @as) = @_;
    my $dir = File::Temp->newdir;
    chmod 0777, $dir;
    mkdir "$dir/logs";
    my $modules = join '', map { "load_module $_;\n" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES};
    open my $file, '>', "$dir/nginx.conf" or return "nginx.conf: $!";
    print $file "$modules error_log stderr debug; events {} http { upstream u { server 127.0.0.1:1985;\n"
                . 'session_sticky ' . told($parameters) . "; } }\n";
    close $file;
    return scalar `@as $ENV{TEST_NGINX_BINARY} -t -e stderr -p $dir -c nginx.conf 2>&1`;
}

client_sections();
verdict_sections(qr/session_sticky/);
add_block_preprocessor(sub {
    my ($block) = @_;
    write_keys($block->keys // "$one\n", oct($block->mode // '600'));
    $block->set_value(upstream => 'session_sticky hash=hmac key_file=KEYS;') if !defined $block->upstream;
    for my $section (qw(emerg warn response_headers response_headers_like more_headers)) {
        my $text = $block->$section;
        next if !defined $text;
        $block->set_value($section, ref $text ? [map { told($_) } @$text] : told($text));
    }
    $block->set_value(config => 'location /t { proxy_pass http://u; }');
    fill($block, "${backends}upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; " . told($block->upstream) . '}');
});
master_on();
run_tests();

__DATA__

=== hash=hmac: an ID is computed with the key
--- visits
-> A, sets "route=ONE_A; Path=/"
route=ONE_B -> B, sets nothing
route=ID_B -> [AB], sets like "route=\w{32}; Path=/"
--- no_error_log eval
qr/\[(?:warn|error|crit|alert|emerg)\]/



=== a key is a line, without leading and trailing white space; comments and empty lines are ignored
--- keys eval
"# the newest\r\n\r\n \t the key by the name of one \r\n#the key by the name of two\n   # indented\n"
--- visits
-> A, sets "route=ONE_A; Path=/"



=== the last line does not need a newline
--- keys eval
'the key by the name of one'
--- visits
-> A, sets "route=ONE_A; Path=/"



=== values are written with the two newest of several keys
--- keys
the key by the name of two
the key by the name of one
the key by the name of three
--- visits
-> A, sets "route=TWO_A.ONE_A; Path=/"
route=ONE_B -> B, sets "route=TWO_B.ONE_B; Path=/"



=== a key of 16 bytes, and eight keys
--- keys
0123456789abcde1
0123456789abcde2
0123456789abcde3
0123456789abcde4
0123456789abcde5
0123456789abcde6
0123456789abcde7
0123456789abcde8



=== a relative path is relative to the folder of the configuration
--- upstream
    session_sticky hash=hmac key_file=RELATIVE;
--- visits
-> A, sets "route=ONE_A; Path=/"



=== a symbolic link is followed
--- upstream
    session_sticky hash=hmac key_file=LINK;
--- visits
-> A, sets "route=ONE_A; Path=/"



=== a file of the maximum length
--- keys eval
"$::one\n" . '#' x (65536 - 1 - length $::one)
--- visits
-> A, sets "route=ONE_A; Path=/"



=== sign and accept=hmac use the same keys
--- upstream
    session_sticky maxidle=1h sign accept=hmac key_file=KEYS;
--- visits
-> A, sets like "route=ID_A\|\d{10}\|\d{10}\|[\w-]{22}; Path=/"



=== accept=hmac in mode=route
--- upstream
    session_sticky mode=route lookup=$arg_to accept=hmac key_file=KEYS;
--- init
$block->set_value(request => 'GET /t?to=' . ::key_id($::one, 'B'));
--- response_body_like: ^B



=== a missing file
--- upstream
    session_sticky hash=hmac key_file=NOTHING;
--- emerg
"session_sticky" could not use key_file "NOTHING": No such file or directory



=== a folder
--- upstream
    session_sticky hash=hmac key_file=FOLDER;
--- emerg
"session_sticky" could not use key_file "FOLDER": it is not a regular file



=== a pipe, which does not block nginx
--- upstream
    session_sticky hash=hmac key_file=PIPE;
--- emerg
"session_sticky" could not use key_file "PIPE": it is not a regular file



=== a device with infinite input
--- upstream
    session_sticky hash=hmac key_file=/dev/zero;
--- emerg
"session_sticky" could not use key_file "/dev/zero": it is not a regular file



=== an empty file
--- keys eval
''
--- emerg
"session_sticky" could not use key_file "KEYS": it has no key



=== a file of comments
--- keys
# the key by the name of one

--- emerg
"session_sticky" could not use key_file "KEYS": it has no key



=== a key that is too short
--- keys
# new
the key by the name of one

0123456789abcde
--- emerg
"session_sticky" could not use key_file "KEYS": line 4: a key must have at least 16 bytes



=== a key that is long enough only with its white space
--- keys eval
"    0123456789abcde   \t\r\n"
--- emerg
"session_sticky" could not use key_file "KEYS": line 1: a key must have at least 16 bytes



=== the key of a certificate
--- keys
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAA=
-----END PRIVATE KEY-----
--- emerg
"session_sticky" could not use key_file "KEYS": line 1: this is not a key, but part of another kind of file



=== more than eight keys
--- keys
0123456789abcde1
0123456789abcde2
0123456789abcde3
0123456789abcde4
0123456789abcde5
0123456789abcde6
0123456789abcde7
# the last of them
0123456789abcde8
0123456789abcde9
--- emerg
"session_sticky" could not use key_file "KEYS": line 10: there must be no more than 8 keys



=== a file that is too long
--- keys eval
"$::one\n" . '#' x (65536 - length $::one)
--- emerg
"session_sticky" could not use key_file "KEYS": it is longer than 64 kB



=== no path
--- upstream
    session_sticky hash=hmac key_file=;
--- emerg
invalid value "" of parameter "key_file" in "session_sticky" directive, it must be a path



=== hash=hmac without key_file
--- upstream
    session_sticky hash=hmac;
--- emerg
"session_sticky" with hash=hmac needs "key_file="



=== accept=hmac without key_file
--- upstream
    session_sticky accept=md5,hmac;
--- emerg
"session_sticky" with accept=hmac needs "key_file="



=== sign without key_file
--- upstream
    session_sticky sign maxidle=1h;
--- emerg
"session_sticky" with sign needs "key_file="



=== id= of 201 characters in signed values
--- upstream
    server 127.0.0.1:1989 id=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;
    session_sticky hash=plain sign maxidle=1h key_file=KEYS;
--- emerg
is longer than 200 characters, which "session_sticky" cannot sign, in upstream "u" in



=== id= of 200 characters in signed values
--- upstream
    server 127.0.0.1:1989 down id=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;
    session_sticky hash=plain sign maxidle=1h key_file=KEYS;



=== a file that its group can write: [warn]
--- mode: 660
--- warn
"session_sticky" with key_file "KEYS", which is writable by users other than its owner



=== a key with a comment after it
--- keys
the key by the name of one # since May
--- emerg
line 1: a comment must be on its own line



=== a file that every user can read: [warn]
--- mode: 644
--- warn
"session_sticky" with key_file "KEYS", which is readable by every user



=== a file that its group can read: no message
--- mode: 640



=== a repeated key is used once: [warn]
--- keys
the key by the name of one
# again
the key by the name of one
--- warn
"session_sticky" with key_file "KEYS", where line 3 repeats a key: the repetition is ignored
--- response_headers
Set-Cookie: route=ONE_A; Path=/



=== a repeated key does not count towards eight
--- keys
0123456789abcde1
0123456789abcde2
0123456789abcde3
0123456789abcde4
0123456789abcde5
0123456789abcde6
0123456789abcde7
0123456789abcde8
0123456789abcde1
--- warn
where line 9 repeats a key



=== unused key_file: [warn]
--- upstream
    session_sticky key_file=KEYS;
--- warn
"session_sticky" with key_file= applies only with hash=hmac, accept=hmac or sign



=== unused key_file is still checked
--- keys
short
--- upstream
    session_sticky key_file=KEYS;
--- emerg
line 1: a key must have at least 16 bytes



=== a duplicate key_file is accepted with a [warn]; the last one is used
--- upstream
    session_sticky hash=hmac key_file=NOTHING key_file=KEYS;
--- warn
duplicate parameter "key_file" in "session_sticky" directive, the last one is used
--- response_headers
Set-Cookie: route=ONE_A; Path=/



=== sign without timestamps has no effect: [warn]
--- upstream
    session_sticky hash=hmac sign key_file=KEYS;
--- warn
"session_sticky" with sign applies only with maxidle= or maxlife=: without stamps, hash=hmac is sufficient
--- response_headers
Set-Cookie: route=ONE_A; Path=/



=== sign in mode=prefix has no effect: [warn]
--- upstream
    session_sticky mode=prefix hash=hmac sign key_file=KEYS;
--- warn
"session_sticky" with mode=prefix ignores sign: the cookie has no stamps



=== sign in mode=rewrite has no effect: [warn]
--- upstream
    session_sticky mode=rewrite hash=hmac sign key_file=KEYS;
--- warn
"session_sticky" with mode=rewrite ignores sign: the cookie has no stamps



=== sign in mode=route has no effect: [warn]
--- upstream
    session_sticky mode=route lookup=$arg_to accept=hmac sign key_file=KEYS;
--- warn
"session_sticky" with mode=route ignores sign: it has no cookie



=== hash=hmac in mode=route has no effect: [warn]
--- upstream
    session_sticky mode=route lookup=$arg_to hash=hmac accept=hmac key_file=KEYS;
--- warn
"session_sticky" with mode=route ignores hash=



=== accept= of a system without prefix values, in mode=prefix: [warn]
--- upstream
    session_sticky mode=prefix accept=md5,traefik;
--- warn
"session_sticky" with mode=prefix ignores accept=traefik: a value without an id before it is the application's own



=== accept=unsigned without sign has no effect: [warn]
--- upstream
    session_sticky accept=md5,unsigned;
--- warn
"session_sticky" with accept=unsigned applies only with sign



=== accept=unsigned with sign, and IDs of earlier configurations without it: no message
--- upstream
    session_sticky maxidle=1h sign key_file=KEYS accept=unsigned,haproxy;
    session_sticky maxidle=1h sign key_file=KEYS accept=md5,plain;
--- may_warn
duplicate "session_sticky" directive
--- no_error_log eval
qr/(?:applies only|ignores)/



=== accept= of a system that does not sign, with sign, needs accept=unsigned: [warn]
--- upstream
    session_sticky maxlife=1h sign key_file=KEYS accept=md5,haproxy;
--- warn
"session_sticky" with accept=haproxy applies only with accept=unsigned where values are signed



=== id= with hash=hmac: [warn]
--- upstream
    server 127.0.0.1:1987 id=c;
    session_sticky hash=hmac key_file=KEYS;
--- warn
parameter "id" of the "server" directive has no effect in upstream "u"



=== a reload with an unusable file is rejected, and the previous keys are still used; a valid file is read
--- client
my $refused = qr/\[emerg\].*could not use key_file/;
my $goes_on = sub {
    my ($what) = @_;
    my $response = visit('/t', 'route=' . key_id($one, 'B'));
    holds(body($response) =~ /^B/, "a session $what");
    equals(set($response), '', "it keeps its cookie $what");
    holds(bound(visit('/t')) =~ /^(??{ key_id($one, 'A') . '|' . key_id($one, 'B') })$/, "a new session $what");
};
$goes_on->('at first');
my @workers = children();
for my $bad ('short', '', undef) {
    my $number = log_lines($refused);
    write_keys($bad);
    kill HUP => master();
    eventually(sub { log_lines($refused) > $number }, 'a reload is rejected');
    equals(join(' ', children()), "@workers", 'the workers keep running');
    $goes_on->('after a rejected reload');
}
write_keys("$two\n");
holds(reload(), 'nginx is reloaded');
holds(body(visit('/t', 'route=' . key_id($two, 'B'))) =~ /^B/, 'a session by the new key');
--- error_log eval
qr/could not use key_file/
--- no_error_log
[alert]
[crit]



=== a file that nginx has no permission to read
--- mode: 000
--- upstream
    session_sticky;
--- client
# Root can read it nevertheless, unless it has given up these capabilities.
my @as = $> ? () : ('setpriv', '--bounding-set=-dac_override,-dac_read_search');
my $said = verdict('hash=hmac key_file=KEYS', @as);
holds($said =~ /\[emerg\] .*could not use key_file "\S+": Permission denied/, 'an [emerg] is logged') or print $said;



=== no key is logged, regardless of the mistake in the file or in the directive
--- client
my @hidden = ('hiddenTooShort', map { "hiddenKeyThatIsLongEnough$_" } 1 .. 9);
my ($short, @long) = @hidden;
my @cases = (
    ['hash=hmac key_file=KEYS', $short],
    ['hash=hmac key_file=KEYS', "$long[0]\n$short\n$long[1]\n"],
    ['hash=hmac key_file=KEYS', join "\n", @long],
    ['hash=hmac key_file=KEYS', "$long[0]\n" x 2],
    ['hash=hmac key_file=KEYS', "$long[0]\n" x 4096],
    ['hash=hmac key_file=KEYS', "\0$short"],
    ['key_file=KEYS', $long[0]],
    ['sign key_file=KEYS', $long[0]],
    ['hash=hmac key_file=KEYS maxidle=1 refresh=2', $long[0]],
    ['hash=hmac key_file=KEYS no_such', $long[0]],
    ['hash=hmac key_file=KEYS; session_sticky hash=hmac key_file=KEYS cookie=b', $long[0]],
    ['hash=hmac key_file=KEYS; sticky', $long[0]],
    ['hash=hmac sign maxidle=1h key_file=KEYS', "$long[0]\n$long[1]\n"],
);
for my $case (@cases) {
    my ($parameters, $text) = @$case;
    write_keys($text, 0644);
    my $said = verdict($parameters);
    holds($said =~ /\[(?:emerg|warn)\].*session_sticky/, "$parameters: there is a message") or print $said;
    holds($said !~ /hidden/, "$parameters: without a key") or print $said;
}
